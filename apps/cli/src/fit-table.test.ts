import { describe, expect, test } from "vitest";
import { fitTable } from "./fit-table.ts";

const ROWS = [
  ["pool", "backlog", "oldest", "places", ""],
  ["anthropic/claude-opus-4-5", "3", "-", "50", "paused; max active 40"],
  ["openai/gpt-5.2", "0", "-", "50", ""],
];
const FIT = { remarks: true, spare: ["places", "oldest"], cut: "pool" };

describe("a table", () => {
  test("stands as it is for a pipe, and where it has room", () => {
    const whole = fitTable(ROWS, FIT, undefined);
    expect(whole.text.split("\n")[1]).toBe(
      "anthropic/claude-opus-4-5  3        -       50      paused; max active 40",
    );
    const width = Math.max(...whole.text.split("\n").map((line) => line.length));
    expect(fitTable(ROWS, FIT, width)).toEqual(whole);
    expect(fitTable(ROWS, FIT, width - 1)).not.toEqual(whole);
  });

  test("has its remarks below their rows before it loses a column", () => {
    expect(fitTable(ROWS, FIT, 60)).toEqual({
      text: [
        "pool                       backlog  oldest  places",
        "anthropic/claude-opus-4-5  3        -       50",
        "  paused; max active 40",
        "openai/gpt-5.2             0        -       50\n",
      ].join("\n"),
      missing: [],
    });
  });

  test("loses what says nothing at first, and tells what else is missing", () => {
    const narrow = fitTable(ROWS, FIT, 44);
    expect(narrow.text).toMatch(/^pool +backlog {2}places\n/);
    expect(narrow.missing).toEqual([]);
    const narrower = fitTable(ROWS, FIT, 40);
    expect(narrower.text).toMatch(/^pool +backlog\n/);
    expect(narrower.missing).toEqual(["places"]);
  });

  test("loses the beginnings of one column's cells at last, and no more than leaves them known", () => {
    expect(fitTable(ROWS, FIT, 30).text.split("\n").slice(1, 2)).toEqual(["…opic/claude-opus-4-5  3"]);
    expect(fitTable(ROWS, FIT, 5).text).toContain("…de-opus-4-5  3");
  });

  test("that has no remarks loses columns alone", () => {
    const rows = ROWS.map((row) => row.slice(0, -1));
    expect(fitTable(rows, { spare: ["places"] }, 45)).toEqual({
      text: [
        "pool                       backlog  oldest",
        "anthropic/claude-opus-4-5  3        -",
        "openai/gpt-5.2             0        -\n",
      ].join("\n"),
      missing: ["places"],
    });
  });
});
