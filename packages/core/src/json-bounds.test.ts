import fc from "fast-check";
import { expect, test } from "vitest";
import { JSON_DEPTH_MAX, JSON_VALUES_MAX, jsonExcess } from "./json-bounds.ts";

const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
const TOO_DEEP = `nested deeper than ${JSON_DEPTH_MAX} levels`;
const TOO_MANY = `of more than ${JSON_VALUES_MAX} values`;

test("as deep as may be is not too deep, and one level more is", () => {
  expect(jsonExcess(nested(JSON_DEPTH_MAX))).toBeUndefined();
  expect(jsonExcess(nested(JSON_DEPTH_MAX + 1))).toBe(TOO_DEEP);
  expect(jsonExcess('{"a":'.repeat(JSON_DEPTH_MAX + 1))).toBe(TOO_DEEP);
});

test("as many values as may be are not too many, and one more is", () => {
  const list = (length: number, value: string) => `[${Array(length).fill(value).join(",")}]`;
  expect(jsonExcess(list(JSON_VALUES_MAX - 1, "1"))).toBeUndefined();
  expect(jsonExcess(list(JSON_VALUES_MAX, "1"))).toBe(TOO_MANY);
  expect(jsonExcess(list(JSON_VALUES_MAX / 2, "[]"))).toBe(TOO_MANY);
  expect(jsonExcess(`{${list(JSON_VALUES_MAX, '"a":1').slice(1, -1)}}`)).toBe(TOO_MANY);
});

test("brackets and commas inside of strings do not count, whatever is escaped in them", () => {
  const much = "[{,".repeat(JSON_VALUES_MAX);
  for (const value of [much, `"${much}`, `\\${much}`, `\\"${much}\\\\`, `${much}\\`]) {
    expect(jsonExcess(JSON.stringify({ value, other: value }))).toBeUndefined();
  }
});

test("brackets behind a string do count, whatever is escaped in it", () => {
  for (const value of ["", "\\", '"', '\\"', "\\\\", 'a"b\\']) {
    expect(jsonExcess(`[${JSON.stringify(value)},${nested(JSON_DEPTH_MAX)}]`)).toBe(TOO_DEEP);
  }
});

test("it says of any JSON what a walk over the value says", () => {
  const depthOf = (value: unknown): number =>
    typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
  fc.assert(
    fc.property(
      fc.jsonValue({ maxDepth: 8 }),
      fc.integer({ min: JSON_DEPTH_MAX - 8, max: JSON_DEPTH_MAX }),
      (value, around) => {
        const text = "[".repeat(around) + JSON.stringify(value) + "]".repeat(around);
        expect(jsonExcess(text) !== undefined).toBe(around + depthOf(value) > JSON_DEPTH_MAX);
      },
    ),
  );
});

test("32 MB that are hostile are judged in a moment", () => {
  for (const unit of ['"', "\\", '\\"', '"\\', "]", " "]) {
    const text = unit.repeat(32_000_000 / unit.length);
    const begun = performance.now();
    jsonExcess(`["${text}`);
    expect(performance.now() - begun).toBeLessThan(3_000);
  }
});
