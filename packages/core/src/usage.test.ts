import fc from "fast-check";
import { expect, test } from "vitest";
import { addUsage, NO_USAGE, type Usage, usageSchema } from "./usage.ts";

const usage: fc.Arbitrary<Usage> = fc.record({
  inputTokens: fc.nat(),
  cachedInputTokens: fc.nat(),
  cacheWriteTokens: fc.nat(),
  outputTokens: fc.nat(),
  reasoningTokens: fc.nat(),
});

test("usages add up field by field, in any order", () => {
  fc.assert(
    fc.property(usage, usage, usage, (a, b, c) => {
      expect(addUsage(a, NO_USAGE)).toEqual(a);
      expect(addUsage(a, b)).toEqual(addUsage(b, a));
      expect(addUsage(addUsage(a, b), c)).toEqual(addUsage(a, addUsage(b, c)));
      for (const key of Object.keys(NO_USAGE) as (keyof Usage)[])
        expect(addUsage(a, b)[key]).toBe(a[key] + b[key]);
    }),
  );
});

test("a usage counts whole tokens, none of them negative", () => {
  expect(usageSchema.safeParse(NO_USAGE).success).toBe(true);
  expect(usageSchema.safeParse({ ...NO_USAGE, outputTokens: -1 }).success).toBe(false);
  expect(usageSchema.safeParse({ ...NO_USAGE, outputTokens: 0.5 }).success).toBe(false);
});
