import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backoffMs } from "./backoff.ts";

const of = (byte: number) => ({ random: (size: number) => new Uint8Array(size).fill(byte) });
const LEAST = of(0);
const MOST = of(255);

describe("the wait before another try", () => {
  test("doubles with each failure, between half of its ceiling and all of it", () => {
    const tries = [1, 2, 3, 4];
    expect(tries.map((count) => backoffMs("backoff", count, LEAST))).toEqual([250, 500, 1_000, 2_000]);
    expect(tries.map((count) => backoffMs("backoff", count, MOST))).toEqual([500, 1_000, 2_000, 4_000]);
  });

  test("stays within a minute, however often it failed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.nat({ max: 255 }), (tries, byte) => {
        const ms = backoffMs("backoff", tries, of(byte));
        expect(Number.isInteger(ms)).toBe(true);
        expect(ms).toBeGreaterThanOrEqual(250);
        expect(ms).toBeLessThanOrEqual(60_000);
      }),
    );
  });

  test("that the provider named is kept, and spread a little behind it", () => {
    expect(backoffMs({ after: 3_000 }, 2, LEAST)).toBe(3_000);
    expect(backoffMs({ after: 3_000 }, 2, MOST)).toBeLessThanOrEqual(3_300);
    fc.assert(
      fc.property(fc.nat({ max: 500_000 }), fc.nat({ max: 255 }), (after, byte) => {
        expect(backoffMs({ after }, 1, of(byte))).toBeGreaterThanOrEqual(after);
      }),
    );
  });

  test("is no shorter than without a named time, so that 0 does not use all attempts up at once", () => {
    expect(backoffMs({ after: 0 }, 1, LEAST)).toBe(250);
    expect(backoffMs({ after: 0 }, 9, MOST)).toBe(60_000);
  });

  test("is ten minutes at most, whatever the provider says", () => {
    expect(backoffMs({ after: 86_400_000 }, 1, LEAST)).toBe(600_000);
  });
});
