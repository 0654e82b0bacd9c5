import { Writable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { expect, test, vi } from "vitest";
import { RESEARCH_MODEL, TOPICS } from "../index.ts";
import { Board } from "./board.ts";
import { firstView, silent } from "./run-view.ts";

const COLUMNS = 80;
const DRAWN_BY_MS = 1_000;

function openBoard(): { board: Board; written: string[] } {
  const written: string[] = [];
  // A board asks a stream for its width alone.
  const stream = Object.assign(new Writable(), { columns: COLUMNS }) as unknown as NodeJS.WriteStream;
  const board = new Board({ stream, write: (text) => void written.push(text), style: (_, text) => text });
  return { board, written };
}

test("a line that stays takes the board away and puts it back under itself", () => {
  vi.useFakeTimers();
  const { board, written } = openBoard();
  for (const topic of TOPICS) board.show(silent(firstView(topic, RESEARCH_MODEL)));
  vi.advanceTimersByTime(DRAWN_BY_MS);
  const drawn = written.splice(0).join("");
  expect(drawn.split("\n").filter((line) => line !== "")).toHaveLength(TOPICS.length);
  const rows = drawn.split("\n").length - 1;
  board.say("hello");
  expect(written.splice(0).join("")).toBe(`\u001b[${rows}A\u001b[Jhello\n${drawn}`);
  board[Symbol.dispose]();
  expect(written.join("")).toBe(`\u001b[${rows}A\u001b[J`);
  vi.useRealTimers();
});

test("no line is wider than the screen, however long the activity", () => {
  const { board, written } = openBoard();
  for (const topic of TOPICS) {
    board.show(silent({ ...firstView(topic, RESEARCH_MODEL), activity: "x".repeat(500) }));
  }
  board.say("");
  board[Symbol.dispose]();
  const widths = stripVTControlCharacters(written.join(""))
    .split("\n")
    .map((line) => line.length);
  expect(Math.max(...widths)).toBe(COLUMNS - 1);
});
