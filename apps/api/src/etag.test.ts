import { expect, test } from "vitest";
import { etagOf, isFresh } from "./etag.ts";

test("the same facts have the same tag, others another one", () => {
  expect(etagOf({ a: 1, b: [2] })).toBe(etagOf({ a: 1, b: [2] }));
  expect(etagOf({ a: 1, b: [2] })).not.toBe(etagOf({ a: 1, b: [3] }));
  expect(etagOf({})).toMatch(/^"[\x21\x23-\x7e]+"$/);
});

test.each([
  [undefined, false],
  ['"a"', true],
  ['W/"a"', true],
  ['"b" , "a"', true],
  ["*", true],
  ['"b"', false],
  ["a", false],
  ["", false],
])("If-None-Match %s", (header, fresh) => {
  expect(isFresh(header, '"a"')).toBe(fresh);
});
