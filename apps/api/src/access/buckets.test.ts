import { expect, test } from "vitest";
import { Buckets } from "./buckets.ts";

test("a bucket has a minute's worth, refuses then, and fills evenly", () => {
  let now = 1_000_000;
  const buckets = new Buckets(() => now);
  expect([1, 2, 3].map(() => buckets.take("a", 3).left)).toEqual([2, 1, 0]);
  expect(buckets.take("a", 3)).toEqual({ isTaken: false, left: 0, nextMs: 20_000, fullMs: 60_000 });
  expect(buckets.take("b", 3).isTaken).toBe(true);
  now += 19_999;
  expect(buckets.take("a", 3)).toMatchObject({ isTaken: false, nextMs: 1 });
  now += 1;
  expect(buckets.take("a", 3).isTaken).toBe(true);
  expect(buckets.take("a", 3).isTaken).toBe(false);
  now += 600_000;
  expect([1, 2, 3, 4].map(() => buckets.take("a", 3).isTaken)).toEqual([true, true, true, false]);
});

test("however many addresses there are, so many buckets are kept", () => {
  const buckets = new Buckets(() => 0);
  buckets.take("kept", 1);
  for (let count = 0; count < 15_000; count += 1) {
    buckets.take(`address ${count}`, 1);
    buckets.take("kept", 1);
  }
  expect(buckets.size).toBe(10_000);
  expect(buckets.take("kept", 1).isTaken).toBe(false);
});
