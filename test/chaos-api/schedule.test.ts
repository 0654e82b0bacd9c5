import { expect, test } from "vitest";
import { APIS, FAULT_KINDS, scheduleOf, targetsOf } from "./schedule.ts";

const options = { seed: 7, durationMs: 120_000 };

test("the same seed gives the same schedule, another seed another", () => {
  expect(scheduleOf(options)).toEqual(scheduleOf(options));
  expect(scheduleOf({ ...options, seed: 8 })).not.toEqual(scheduleOf(options));
});

test.each([1, 2, 3, 7, 42])("in half a minute nearly every kind comes, seed %i", (seed) => {
  const kinds = new Set(scheduleOf({ seed, durationMs: 30_000 }).map(({ kind }) => kind));
  expect(kinds.size).toBeGreaterThanOrEqual(FAULT_KINDS.length - 1);
});

test.each([1, 2, 7])("in two minutes every kind comes, and both APIs are hit, seed %i", (seed) => {
  const planned = scheduleOf({ ...options, seed });
  expect(new Set(planned.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS));
  const killed = planned.filter(({ kind }) => kind.startsWith("api_")).map(({ slot }) => slot);
  expect(new Set(killed).size).toBe(APIS);
});

test.each([1, 2, 7])("what is hit has one fault at a time, all over by the end, seed %i", (seed) => {
  const planned = scheduleOf({ ...options, seed });
  for (const [place, one] of planned.entries()) {
    expect(one.atMs + one.durationMs).toBeLessThanOrEqual(options.durationMs);
    for (const later of planned.slice(place + 1)) {
      const shared = targetsOf(later).some((target) => targetsOf(one).includes(target));
      if (shared) expect(later.atMs).toBeGreaterThan(one.atMs + one.durationMs);
    }
  }
});
