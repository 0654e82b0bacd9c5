import { beforeEach, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import type { QueueEntry } from "./create-run.ts";
import { EntryRound, type RoundStep } from "./entry-round.ts";
import { shardKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { defineScripts } from "./scripts.ts";
import { openBull } from "./testing/bull-rig.ts";
import { ALPHA, BETA, createQueued } from "./testing/make-run.ts";

const redis = useRedis();
const { live, backlog } = shardKeys(0);
let ledger: Ledger;
beforeEach(() => {
  ledger = createLedger(redis.connect({ enableAutoPipelining: true }), { retentionMs: 0 });
});

const later = () => Date.now() + 10;

function rounds(bull: ReturnType<typeof openBull>) {
  return (exact: boolean, now = later()) =>
    new EntryRound({
      redis: ledger.redis,
      run: defineScripts(ledger.redis),
      queues: bull.queues,
      now,
      exact,
    });
}

async function created(count: number, pool = ALPHA): Promise<readonly QueueEntry[]> {
  return Promise.all(Array.from({ length: count }, () => createQueued(ledger, { pool })));
}

/** Goes on in steps of a size until the round is over; it must be, by the end of so many. */
async function walk(round: EntryRound, size: number, stepsMax: number): Promise<readonly string[]> {
  const steps: RoundStep[] = [];
  while (!round.isOver) {
    if (steps.length >= stepsMax) throw new Error(`the round is not over after ${stepsMax} steps`);
    steps.push(await round.step(size, later()));
  }
  return steps.flatMap(({ missed }) => missed.map(({ id }) => id)).sort();
}

test.each([
  [true, 100_000, 1],
  [true, 300, 20],
  [false, 100_000, 1],
  [false, 1_001, 10],
])(
  "a round (exact: %s, steps of %i) sees each entry once, all of one moment too, and ends",
  async (exact, size, max) => {
    await using bull = openBull(redis.url);
    const entries = await created(2_600);
    await Promise.all(entries.slice(3).map((entry) => bull.queues.enqueue(entry)));
    await ledger.redis.zadd(live, ...entries.slice(0, 2_400).flatMap(({ runId }) => [7, runId]));
    const missed = entries.slice(0, 3).map(({ runId }) => runId);
    expect(await walk(rounds(bull)(exact), size, max)).toEqual(missed.sort());
  },
);

test("entries that are made after its beginning are left to the next round", async () => {
  await using bull = openBull(redis.url);
  const [old] = await created(1);
  const round = rounds(bull)(true);
  const now = Number(await ledger.redis.zscore(live, old?.runId ?? "")) + 20;
  const second = rounds(bull)(true, now);
  await ledger.redis.zadd(live, now + 1, (await created(1))[0]?.runId ?? "");
  expect(await walk(second, 10, 5)).toEqual([old?.runId]);
  expect(round.isOver).toBe(false);
});

test("an exact round sees that the job that is there is of an old ticket; a quick one takes any job of the run", async () => {
  await using bull = openBull(redis.url);
  const [entry] = await created(1);
  if (entry === undefined) throw new Error("no run");
  await bull.queues.enqueue({ ...entry, ticket: 9 });
  expect(await walk(rounds(bull)(false), 100, 3)).toEqual([]);
  expect(await walk(rounds(bull)(true), 100, 3)).toEqual([entry.runId]);
});

test("an exact round counts the runs of each pool, and tells only counts that nothing has moved under", async () => {
  await using bull = openBull(redis.url);
  for (const entry of [...(await created(4)), ...(await created(2, BETA))]) await bull.queues.enqueue(entry);
  await ledger.redis.hincrby(backlog, BETA, 5);
  await ledger.redis.hset(backlog, "sim/gamma", -2);
  const round = rounds(bull)(true);
  await walk(round, 100, 3);
  expect(await round.wrongCounts()).toEqual([
    { pool: BETA, seen: 7, actual: 2 },
    { pool: "sim/gamma", seen: -2, actual: 0 },
  ]);
  const [extra] = await created(1);
  await ledger.redis.zadd(live, later() + 1_000, extra?.runId ?? "");
  expect(await round.wrongCounts()).toEqual([]);
});
