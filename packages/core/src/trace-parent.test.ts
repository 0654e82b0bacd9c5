import { expect, test } from "vitest";
import { formatTraceParent, parseTraceParent } from "./trace-parent.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

test("a traceparent is read and written again", () => {
  const parsed = parseTraceParent(`00-${TRACE}-${SPAN}-01`);
  expect(parsed).toEqual({ traceId: TRACE, spanId: SPAN, sampled: true });
  expect(parsed && formatTraceParent(parsed)).toBe(`00-${TRACE}-${SPAN}-01`);
  expect(parseTraceParent(`00-${TRACE}-${SPAN}-00`)?.sampled).toBe(false);
  // Other flags may be set beside, and a later version may bring more fields.
  expect(parseTraceParent(`cc-${TRACE}-${SPAN}-03-more`)?.sampled).toBe(true);
});

test.each([
  ["nothing", ""],
  ["a version that is forbidden", `ff-${TRACE}-${SPAN}-01`],
  ["capital letters", `00-${TRACE.toUpperCase()}-${SPAN}-01`],
  ["a trace of zeros", `00-${"0".repeat(32)}-${SPAN}-01`],
  ["a span of zeros", `00-${TRACE}-${"0".repeat(16)}-01`],
  ["a short trace", `00-${TRACE.slice(1)}-${SPAN}-01`],
  ["no flags", `00-${TRACE}-${SPAN}`],
  ["more behind the flags", `00-${TRACE}-${SPAN}-01x`],
])("%s is no context", (_what, text) => {
  expect(parseTraceParent(text)).toBeUndefined();
});
