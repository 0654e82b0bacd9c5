import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  jobIdOf,
  newClaimId,
  newOperationId,
  newRunId,
  placeRun,
  runIdSchema,
  SHARDS_MAX,
  shardOf,
  shardOfKey,
} from "./ids.ts";

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

describe("the shard of a new run", () => {
  const source = { now: () => 1, random };

  test.each([
    ["", 4, 3],
    ["a", 4, 3],
    ["order-1", 4, 0],
    ["order-2", 4, 0],
    ["batch b1 line-7", 4, 1],
    ["Grüße, 世界", 4, 3],
    ["order-1", 3, 2],
    ["order-1", 16, 12],
    ["order-1", 256, 156],
  ])("of the key %j among %i is pinned for ever", (key, shards, shard) => {
    expect(shardOfKey(key, shards)).toBe(shard);
    expect(shardOf(placeRun({ shards, key }, source))).toBe(shard);
  });

  test("is one that the store has, and runs spread evenly, with keys and without", () => {
    for (const shards of [1, 2, 3, 4, 16, SHARDS_MAX]) {
      const counts = { keyed: Array<number>(shards).fill(0), keyless: Array<number>(shards).fill(0) };
      for (let run = 0; run < 200 * shards; run += 1) {
        const keyed = shardOf(placeRun({ shards, key: `batch nightly line-${run}` }, source));
        const keyless = shardOf(placeRun({ shards }, source));
        counts.keyed[keyed] = (counts.keyed[keyed] ?? 0) + 1;
        counts.keyless[keyless] = (counts.keyless[keyless] ?? 0) + 1;
      }
      for (const each of [...counts.keyed, ...counts.keyless]) {
        expect(each).toBeGreaterThan(100);
        expect(each).toBeLessThan(320);
      }
    }
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
