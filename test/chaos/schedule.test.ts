import { expect, test } from "vitest";
import { FAULT_KINDS, isOf, REDIS_FAULTS, scheduleOf, WORKER_FAULTS } from "./schedule.ts";

const options = { seed: 7, durationMs: 300_000, workers: 4, truncates: true };
const shortest = { ...options, durationMs: 42_000, truncates: false };

test("the same seed gives the same schedule, another seed another", () => {
  expect(scheduleOf(options)).toEqual(scheduleOf(options));
  expect(scheduleOf({ ...options, seed: 8 })).not.toEqual(scheduleOf(options));
});

test("every kind comes, and no kind more often than the death of a worker", () => {
  const counts = new Map<string, number>();
  for (const { kind } of scheduleOf(options)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  expect([...counts.keys()].sort()).toEqual([...FAULT_KINDS].sort());
  for (const [kind, count] of counts) {
    if (kind !== "worker_killed") expect(count, kind).toBeLessThan(counts.get("worker_killed") ?? 0);
  }
  expect(counts.get("aof_truncated")).toBe(1);
});

test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 42, 1234])(
  "in two thirds of a minute every kind comes, seed %i",
  (seed) => {
    const kinds = new Set(scheduleOf({ ...shortest, seed }).map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual(FAULT_KINDS.filter((kind) => kind !== "aof_truncated").sort());
  },
);

test.each([1, 2, 7])("a worker and Redis have one fault at a time, all over by the end, seed %i", (seed) => {
  const planned = scheduleOf({ ...options, seed });
  const isWorkers = (kind: string): boolean => isOf(WORKER_FAULTS, kind);
  for (const [place, one] of planned.entries()) {
    expect(one.atMs + one.durationMs).toBeLessThanOrEqual(options.durationMs);
    for (const later of planned.slice(place + 1)) {
      const overlap = later.atMs < one.atMs + one.durationMs;
      if (isWorkers(one.kind) && isWorkers(later.kind) && one.slot === later.slot)
        expect(overlap).toBe(false);
      if (isOf(REDIS_FAULTS, one.kind) && !isWorkers(later.kind)) expect(overlap).toBe(false);
    }
  }
});
