import fc from "fast-check";
import { expect, test } from "vitest";
import { mutated, textOf, treeOf } from "./json-tree.ts";

test("a tree that nothing was done to is written as JSON writes it", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(textOf(treeOf(value))).toBe(JSON.stringify(value));
    }),
  );
});

const TREE = treeOf({ a: [1, { b: 2 }], c: 3 });

test.each([
  [0, { kind: "replace", by: "NaN" }, "NaN"],
  [2, { kind: "replace", by: "1e999" }, '{"a":[1e999,{"b":2}],"c":3}'],
  [4, { kind: "twice", by: "4" }, '{"a":[1,{"b":2,"b":4}],"c":3}'],
  [1, { kind: "remove" }, '{"c":3}'],
  [3, { kind: "add", name: '"__proto__"', value: "{}" }, '{"a":[1,{"b":2,"__proto__":{}}],"c":3}'],
  [5, { kind: "wrap", depth: 2 }, '{"a":[1,{"b":2}],"c":[[3]]}'],
  [8, { kind: "replace", by: "x" }, '{"a":[x,{"b":2}],"c":3}'],
] as const)("place %i is changed, and nothing else", (at, change, text) => {
  expect(textOf(mutated(TREE, [{ at, change }]))).toBe(text);
});
