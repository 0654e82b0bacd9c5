import { expect, test } from "vitest";
import { redactor } from "./redact.ts";

test("the key, the headers and whatever looks like a key are masked", () => {
  const redact = redactor("s3cret", { "x-org": "org-of-mine", "x-short": "v1" });
  expect(redact("s3cret for org-of-mine in v1")).toBe("[redacted] for [redacted] in v1");
  expect(redact("key sk-proj-Ab12***Zz90 and Bearer abc.def")).toBe("key [redacted] and Bearer [redacted]");
  expect(redact("an ordinary sentence about tokens")).toBe("an ordinary sentence about tokens");
});

test("a secret inside another is masked with it", () => {
  expect(redactor("abcdef", { h: "abcdefghij" })("abcdefghij abcdef")).toBe("[redacted] [redacted]");
});
