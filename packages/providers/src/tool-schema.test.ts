import { expect, test } from "vitest";
import { objectSchema } from "./tool-schema.ts";

test("a schema without type or properties gets both", () => {
  expect(objectSchema({})).toEqual({ type: "object", properties: {} });
});

test("an ordinary schema is left as it is", () => {
  const schema = {
    type: "object",
    properties: { a: { anyOf: [{}, {}] } },
    required: ["a"],
    description: "d",
  };
  expect(objectSchema(schema)).toEqual(schema);
});

test("alternatives at the top are merged, requiring only what each of them requires", () => {
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    type: "object",
    required: ["id"],
    oneOf: [
      { properties: { a: { type: "string" }, k: {} }, required: ["a", "k"] },
      { properties: { b: { type: "number" }, k: {} }, required: ["b", "k"] },
    ],
  };
  expect(objectSchema(schema)).toEqual({
    type: "object",
    properties: { a: { type: "string" }, b: { type: "number" }, k: {} },
    required: ["id", "k"],
  });
});

test("parts at the top are merged, requiring what any of them requires", () => {
  expect(objectSchema({ allOf: [{ required: ["a"] }, { properties: { b: {} }, required: ["b"] }] })).toEqual({
    type: "object",
    properties: { b: {} },
    required: ["a", "b"],
  });
});
