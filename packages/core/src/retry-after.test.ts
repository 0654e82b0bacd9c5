import { expect, test } from "vitest";
import { retryAfter } from "./retry-after.ts";

const DATE = "Sat, 21 Nov 2026 03:00:00 GMT";

test.each<[Record<string, string>, number | undefined]>([
  [{ "retry-after": "3" }, 3_000],
  [{ "retry-after": "0.25" }, 250],
  [{ "retry-after-ms": "120.5", "retry-after": "3" }, 121],
  [{ "retry-after": "Sat, 21 Nov 2026 03:00:20 GMT", date: DATE }, 20_000],
  [{ "retry-after": "Sat, 21 Nov 2026 02:00:00 GMT", date: DATE }, undefined],
  [{ "retry-after": "Sat, 21 Nov 2026 03:00:20 GMT" }, undefined],
  [{ "retry-after": "soon" }, undefined],
  [{ "retry-after": "-1" }, undefined],
  [{}, undefined],
])("%j is a wait of %s ms", (headers, wait) => {
  expect(retryAfter(new Headers(headers))).toBe(wait);
});
