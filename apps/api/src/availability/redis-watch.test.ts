import { queryObjects } from "node:v8";
import { expect, test } from "vitest";
import { until } from "../../../../test/support/until.ts";
import { RedisWatch } from "./redis-watch.ts";

const PACE = { everyMs: 5, patienceMs: 40 };

test("an answer that does not come is an absence, and its coming the end of it", async () => {
  let answer = (): void => undefined;
  const changes: boolean[] = [];
  await using watch = new RedisWatch({
    ...PACE,
    ask: () => new Promise<void>((resolve) => (answer = resolve)),
    onChange: (isAway) => changes.push(isAway),
  });
  expect(watch.isAway).toBe(false);
  await until(() => watch.isAway, { what: "the absence" });
  answer();
  await until(() => !watch.isAway, { what: "the return" });
  expect(changes).toEqual([true, false]);
});

test("a refusal is an absence at once", async () => {
  let refuses = true;
  await using watch = new RedisWatch({
    everyMs: 5,
    patienceMs: 60_000,
    ask: async () => {
      if (refuses) throw new Error("READONLY");
    },
    onChange: () => undefined,
  });
  await until(() => watch.isAway, { what: "the absence" });
  refuses = false;
  await until(() => !watch.isAway, { what: "the return" });
});

test("a process that was busy for longer than its patience does not take itself for an absence", async () => {
  const changes: boolean[] = [];
  let asked = 0;
  await using watch = new RedisWatch({
    ...PACE,
    ask: () => {
      asked += 1;
      // The answer is there soon, but this process reads it late.
      return new Promise<void>((resolve) => setTimeout(resolve, PACE.patienceMs - 5));
    },
    onChange: (isAway) => changes.push(isAway),
  });
  for (let round = 1; round <= 3; round += 1) {
    await until(() => asked > round, { what: "the next question" });
    const busyUntil = performance.now() + 3 * PACE.patienceMs;
    while (performance.now() < busyUntil);
  }
  await until(() => asked > 4, { what: "an answer behind the last pause" });
  expect(changes).toEqual([]);
  expect(watch.isAway).toBe(false);
});

test("it ends at once, whether an answer is under way or not", async () => {
  const watch = new RedisWatch({
    everyMs: 60_000,
    patienceMs: 60_000,
    ask: () => new Promise(() => undefined),
    onChange: () => undefined,
  });
  const since = performance.now();
  await watch[Symbol.asyncDispose]();
  expect(performance.now() - since).toBeLessThan(1_000);
});

test("it keeps nothing of the rounds that are over, however long it watches", async () => {
  let asked = 0;
  await using _watch = new RedisWatch({
    everyMs: 1,
    patienceMs: 60_000,
    ask: async () => {
      asked += 1;
    },
    onChange: () => undefined,
  });
  await until(() => asked > 20, { what: "the first rounds" });
  // Counts behind a garbage collection.
  const before = queryObjects(Promise, { format: "count" });
  const since = asked;
  await until(() => asked > since + 200, { what: "200 rounds" });
  expect(queryObjects(Promise, { format: "count" }) - before).toBeLessThan(100);
});
