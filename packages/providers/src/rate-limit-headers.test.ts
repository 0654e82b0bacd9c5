import { expect, test } from "vitest";
import { rateLimitsIn } from "./rate-limit-headers.ts";

const read = (headers: Record<string, string>) => rateLimitsIn(new Headers(headers));

test("OpenAI's headers are read, with what is left and when all of it is back", () => {
  const report = read({
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "59",
    "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-limit-tokens": "150000",
    "x-ratelimit-remaining-tokens": "149984",
    "x-ratelimit-reset-tokens": "6m0s",
  });
  expect(report).toEqual({
    requests: { limit: 60, remaining: 59, resetMs: 1_000 },
    tokens: { limit: 150_000, remaining: 149_984, resetMs: 360_000 },
  });
});

test("Anthropic's headers are read; their dates against the answer's own, whatever the clock here says", () => {
  const report = read({
    date: "Tue, 01 Jan 2030 00:00:00 GMT",
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2030-01-01T00:00:02Z",
    "anthropic-ratelimit-tokens-limit": "38000",
    "anthropic-ratelimit-input-tokens-limit": "30000",
    "anthropic-ratelimit-input-tokens-remaining": "0",
    "anthropic-ratelimit-input-tokens-reset": "2030-01-01T00:01:00Z",
    "anthropic-ratelimit-output-tokens-limit": "8000",
    "anthropic-ratelimit-output-tokens-remaining": "8000",
    "anthropic-ratelimit-output-tokens-reset": "2029-12-31T23:59:59Z",
  });
  expect(report).toEqual({
    requests: { limit: 50, remaining: 49, resetMs: 2_000 },
    inputTokens: { limit: 30_000, remaining: 0, resetMs: 60_000 },
    outputTokens: { limit: 8_000, remaining: 8_000, resetMs: 0 },
  });
});

test.each([
  ["20ms", 20],
  ["1h2m3.5s", 3_723_500],
  ["0.25", 250],
  ["7m12s", 432_000],
  ["900d", 86_400_000],
  ["soon", undefined],
  ["-1s", undefined],
])("a reset of %s is %s ms", (reset, resetMs) => {
  const report = read({ "x-ratelimit-limit-requests": "9", "x-ratelimit-reset-requests": reset });
  expect(report?.requests).toEqual({ limit: 9, remaining: undefined, resetMs });
});

test.each([
  [{}],
  [{ "x-ratelimit-remaining-requests": "1" }],
  [{ "x-ratelimit-limit-requests": "0" }],
  [{ "x-ratelimit-limit-requests": "lots", "x-ratelimit-limit-tokens": "-1" }],
])("nothing is learned from %o", (headers) => {
  expect(read(headers)).toBeUndefined();
});
