import { expect, test } from "vitest";
import { tidied } from "./tidied.ts";

test("what says nothing goes, what bounds or describes stays", () => {
  const time = { type: "string", format: "date-time", pattern: "^\\d" };
  const id = { type: "string", pattern: "^r_" };
  const any = { type: "integer", minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };
  const count = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
  expect(tidied({ all: [time, id, any, count] })).toEqual({
    all: [{ type: "string", format: "date-time" }, id, { type: "integer" }, { type: "integer", minimum: 0 }],
  });
});
