import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jobIdOf, newClaimId, newOperationId, newRunId, runIdSchema, shardOf } from "./ids.ts";

const random = (size: number) => randomBytes(size);
const idAt = (now: number, shard = 0) => newRunId(shard, { now: () => now, random });

describe("a run id", () => {
  test("has its own form, whatever the time, the shard and the randomness", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 2 ** 48 - 1 }),
        fc.nat({ max: 999 }),
        fc.nat({ max: 255 }),
        (now, shard, byte) => {
          const id = newRunId(shard, { now: () => now, random: (size) => new Uint8Array(size).fill(byte) });
          expect(runIdSchema.parse(id)).toBe(id);
          expect(shardOf(id)).toBe(shard);
          expect(id).not.toContain(":");
        },
      ),
    );
  });

  test("sorts by time of creation", () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 48 - 1 }), fc.nat({ max: 2 ** 48 - 1 }), (one, other) => {
        fc.pre(one !== other);
        const [earlier, later] = [Math.min(one, other), Math.max(one, other)];
        expect(idAt(earlier) < idAt(later)).toBe(true);
      }),
    );
  });

  test("differs from others of the same millisecond", () => {
    expect(new Set(Array.from({ length: 1_000 }, () => idAt(1))).size).toBe(1_000);
  });

  test.each([
    "r_0_01J9",
    "r_x_01J9ZC7Q8H2N3K4M5P6R7S8T9V",
    "r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9I",
    "",
    "R_0_",
    "a:b",
  ])("is not %j", (text) => {
    expect(runIdSchema.safeParse(text).success).toBe(false);
  });
});

test("a job id is told from run and ticket alone, and is one that BullMQ takes", () => {
  const id = idAt(1, 12);
  expect(jobIdOf(id, 3)).toBe(`${id}-3`);
  expect(jobIdOf(id, 3)).not.toMatch(/^\d+$|:/);
});

test("marks of claims and operations are of fixed length, without blanks or separators", () => {
  const source = { now: () => 0, random };
  for (let count = 0; count < 100; count += 1) {
    expect(newClaimId(source)).toMatch(/^[\w-]{12}$/);
    // The ledger keeps the last few by cutting their text at this length.
    expect(newOperationId(source)).toMatch(/^[\w-]{7}$/);
  }
});
