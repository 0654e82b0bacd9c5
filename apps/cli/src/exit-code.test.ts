/** The line of an error quotes what others wrote. */
import { BatonError } from "@baton/core";
import { expect, test } from "vitest";
import { errorLine } from "./exit-code.ts";

test("an error is one line without control sequences", () => {
  const error = new BatonError("invalid_spec", "a\u001b]0;title\u0007b\u001b[2Jc\nd");
  expect(errorLine(error)).toBe("baton: abc d");
});
