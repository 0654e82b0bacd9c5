import { expect, test } from "vitest";
import { readUploadOptions, type UploadQuery, uploadQuerySchema } from "./upload-options.ts";

const read = (query: Record<string, unknown>, header?: string, type = "application/x-ndjson") =>
  readUploadOptions(uploadQuerySchema.parse(query) satisfies UploadQuery, header, type);

test("a parameter goes over the header, and one that comes once is a list all the same", () => {
  const header = JSON.stringify({ model: ["openai/a"], max_turns: 3 });
  const { reading } = read({ model: "openai/b", mcp_servers: ["x", "y"] }, header);
  expect(reading.defaults).toEqual({ model: ["openai/b"], mcp_servers: ["x", "y"], max_turns: 3 });
});

test.each([
  ["not JSON", "{", "Baton-Defaults"],
  ["no object", "[1]", "Baton-Defaults"],
  ["a field that no spec has", '{"modle": "x"}', undefined],
  ["a value that no spec has", '{"max_turns": 0}', "max_turns"],
])("defaults that are %s are refused", (_what, header, field) => {
  expect(() => read({}, header)).toThrow(
    expect.objectContaining({ code: "invalid_spec", fields: field === undefined ? {} : { field } }),
  );
});

test.each([
  [{}, "application/x-ndjson", "jsonl"],
  [{}, "text/csv; charset=utf-8", "csv"],
  [{ template: "{{a}}" }, "text/plain", "csv"],
  [{ format: "csv" }, "text/plain", "csv"],
  [{ format: "jsonl" }, "text/csv", "jsonl"],
])("%j with %s is read as %s", (query, type, format) => {
  expect(read(query, undefined, type).reading.format).toBe(format);
});

test("a template for lines of JSON is refused", () => {
  expect(() => read({ template: "{{a}}", format: "jsonl" })).toThrow(
    expect.objectContaining({ fields: { field: "template" } }),
  );
});

test("budget, weight, start and flags are read, and left open where nothing is said", () => {
  const query = {
    budget_tokens: "5",
    weight: "2.5",
    run_at: "2026-11-21T22:00:00+01:00",
    skip_invalid: "true",
  };
  expect(read(query)).toMatchObject({
    ...{ id: undefined, isCheck: false, skipInvalid: true },
    opening: { budget: { tokens: 5 }, weight: 2.5, runAt: Date.UTC(2026, 10, 21, 21) },
  });
  expect(read({}).opening).toEqual({ budget: undefined, weight: undefined, runAt: undefined });
});

test.each([
  { weight: "0" },
  { budget_usd: "-1" },
  { run_at: "tomorrow" },
  { id: "../x" },
  { check: "maybe" },
])("%j is refused", (query) => {
  expect(uploadQuerySchema.safeParse(query).success).toBe(false);
});
