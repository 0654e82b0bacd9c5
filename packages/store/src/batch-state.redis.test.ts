/** What a batch is told to be while it is opened, spends, is raised and goes; how its runs share is in feeder-shares. */
import { newRunId, type RunId } from "@baton/core";
import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { BatchBudgets } from "./batch-budgets.ts";
import { forgetExpired } from "./due-runs.ts";
import { admissionKeys, limitsKey, runKeys, shardKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { PRIORITY } from "./pool-queues.ts";
import { defineScripts } from "./scripts.ts";
import { openFeeder } from "./testing/feeder-rig.ts";
import { ALPHA, commitOf, createQueued, newOp, running } from "./testing/make-run.ts";
import { ADD_GRACE_MS, openReconciler } from "./testing/reconciler-rig.ts";

const redis = useRedis();
const keyOf = (id: string, shard = 0) => `${shardKeys(shard).batchPrefix}${id}`;
let ledger: Ledger;
beforeEach(async () => {
  ledger = createLedger(redis.connect({ enableAutoPipelining: true }), { retentionMs: 0 });
  await ledger.redis.flushall();
});

test("a batch whose hash has run out leaves the list, on one shard too; one that is there stays", async () => {
  await ledger.setBatchBudget("gone", { tokens: 1 });
  await ledger.setBatchBudget("there", { tokens: 1 });
  await ledger.redis.pexpire(keyOf("gone"), 0);
  expect(await ledger.batches({ from: 0, limit: 9 })).toContain("gone");
  await new BatchBudgets(ledger.redis, 1).pass();
  expect(await ledger.batches({ from: 0, limit: 9 })).toEqual(["there"]);
  expect(await ledger.redis.hget(keyOf("there"), "tokens_elsewhere")).toBeNull();
});

test("a batch that is opened again is not whole until it is sealed again, and keeps its weight", async () => {
  await ledger.openBatch({ id: "b", weight: 2 });
  await ledger.sealBatch("b", 3);
  expect(await ledger.batch("b")).toMatchObject({ isOpen: false, lines: 3 });
  expect(await ledger.openBatch({ id: "b", weight: 5 })).toBe("known");
  expect(await ledger.batch("b")).toMatchObject({ isOpen: true, lines: undefined, weight: 2 });
  await ledger.sealBatch("b", 4);
  expect(await ledger.batch("b")).toMatchObject({ isOpen: false, lines: 4 });
});

describe("a weight that is out of bounds", () => {
  test.each([0, -1, 1e-320, 0.0009, 1_001, Number.POSITIVE_INFINITY, Number.NaN])(
    "is refused: %s",
    async (weight) => {
      const refused = { code: "invalid_spec", message: `a batch's weight is 0.001 to 1000, not ${weight}` };
      await expect(ledger.openBatch({ id: "b", weight })).rejects.toMatchObject(refused);
      await expect(ledger.setBatchWeight("b", weight)).rejects.toMatchObject(refused);
      expect(await ledger.redis.keys("*")).toEqual([]);
    },
  );

  test("and that is stored already does not ruin the pool", async () => {
    await using rig = openFeeder(() => redis.connect(), ledger);
    await ledger.openBatch({ id: "light" });
    await ledger.redis.hset(keyOf("light"), "weight", "1e-320");
    await rig.submitBatch("light", 20);
    await rig.submitBatch("one", 20);
    await rig.submitBatch("two", 20);
    const begun = await rig.beginMany(50);
    expect(begun.filter((one) => one === "one")).toHaveLength(20);
    const { fairPrefix, flowsPrefix } = admissionKeys(0);
    expect(Number(await ledger.redis.hget(`${fairPrefix}${ALPHA}`, "clock"))).toBeLessThan(1e6);
    const times = await ledger.redis.zrange(`${flowsPrefix}${ALPHA}`, "0", "-1", "WITHSCORES");
    expect(times).not.toContain("inf");
    expect((await ledger.batch("light")).weight).toBe(0.001);
  });

  test("and ruined the clock before: the flows take turns again", async () => {
    await using rig = openFeeder(() => redis.connect(), ledger);
    await rig.submitBatch("one", 40);
    await rig.submitBatch("two", 40);
    await rig.beginMany(10);
    const { fairPrefix, flowsPrefix } = admissionKeys(0);
    await ledger.redis.hset(`${fairPrefix}${ALPHA}`, "clock", "inf", "singles", "-nan");
    await ledger.redis.zadd(`${flowsPrefix}${ALPHA}`, "+inf", "one");
    const begun = (await rig.beginMany(30)).slice(10);
    const ones = begun.filter((one) => one === "one").length;
    expect(Math.abs(ones - 10)).toBeLessThanOrEqual(1);
    expect(Number(await ledger.redis.hget(`${fairPrefix}${ALPHA}`, "clock"))).toBeLessThan(1e6);
  });
});

describe("a run that was told its batch had spent its budget", () => {
  const spent = { kind: "wait", reason: "budget", detail: "the batch b spent its budget" } as const;
  const batch = { id: "b", customId: "c" };

  test("goes on when that was raised before it could wait", async () => {
    await ledger.setBatchBudget("b", { tokens: 0 });
    const { claim, items } = await running(ledger, { batch });
    await ledger.setBatchBudget("b", { tokens: 9 });
    const reply = await ledger.commit(claim, commitOf(items.length, { ...spent, ofBatch: true }));
    expect(reply).toMatchObject({ kind: "committed", status: "queued", entry: { ticket: 2 } });
    expect((await ledger.read(claim.runId))?.run).toMatchObject({ status: "queued", ticket: 2 });
  });

  test("waits when it was not raised, or when the budget is its own", async () => {
    await ledger.setBatchBudget("b", { tokens: 0 });
    const [one, other] = [await running(ledger, { batch }), await running(ledger, { batch })];
    const ofBatch = commitOf(one.items.length, { ...spent, ofBatch: true });
    expect(await ledger.commit(one.claim, ofBatch)).toMatchObject({ status: "waiting" });
    expect((await ledger.read(one.claim.runId))?.run).toMatchObject({ status: "waiting", reason: "budget" });
    await ledger.setBatchBudget("b", { tokens: 9 });
    const own = commitOf(other.items.length, { ...spent, detail: "the run spent its own" });
    expect(await ledger.commit(other.claim, own)).toMatchObject({ status: "waiting" });
  });

  test("and that is to pause is paused", async () => {
    await ledger.setBatchBudget("b", { tokens: 9 });
    const { claim, items } = await running(ledger, { batch });
    await ledger.pause(claim.runId, newOp());
    const reply = await ledger.commit(claim, commitOf(items.length, { ...spent, ofBatch: true }));
    expect(reply).toMatchObject({ status: "waiting" });
    expect((await ledger.read(claim.runId))?.run).toMatchObject({ status: "waiting", reason: "paused" });
  });
});

test("runs of several shards are listed the newest first, and a page goes on where the one before ended", async () => {
  const shards = 3;
  const store = createLedger(ledger.redis, { retentionMs: 0, shards });
  const ids = [2, 0, 1, 1, 0, 2].map((shard, place) =>
    newRunId(shard, {
      now: () => 1_000 + place,
      random: (size) => crypto.getRandomValues(new Uint8Array(size)),
    }),
  );
  for (const id of ids) await createQueued(store, { id });
  const newest = ids.toReversed();
  expect(await store.list("queued", { limit: 10 })).toEqual(newest);
  expect(await store.list("queued", { limit: 3, before: newest[1] })).toEqual(newest.slice(2, 5));
});

test("names of buckets that nothing was asked of for a day leave the index", async () => {
  await ledger.redis.zadd(limitsKey(), Date.now() - 90_000_000, "old", Date.now() - 3_600_000, "idle");
  expect(await ledger.limits(60_000)).toEqual([]);
  expect(await ledger.redis.zrange(limitsKey(), "0", "-1")).toEqual(["idle"]);
});

test("what a batch spent on a shard stays while another shard has runs of it, and goes when none has", async () => {
  const store = createLedger(ledger.redis, { retentionMs: 0, shards: 2 });
  await store.openBatch({ id: "b", budget: { tokens: 10 } });
  const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));
  const [here, there] = [0, 1].map((shard) => newRunId(shard, { now: () => 1_000, random }));
  if (here === undefined || there === undefined) throw new Error("two ids");
  for (const id of [here, there]) await createQueued(store, { id, batch: { id: "b", customId: "c" } });
  await store.redis.hset(keyOf("b"), "tokens", "7");
  const run = defineScripts(store.redis);
  const forget = async (id: RunId, shard: number) => {
    await store.redis.del(runKeys(id).run);
    await store.redis.zadd(shardKeys(shard).expiries, 1, `${id} b`);
    expect(await forgetExpired({ ledger: store, run, shard }, 2)).toBe(1);
  };
  await forget(here, 0);
  expect(await store.batch("b")).toMatchObject({ tokens: 7, budget: { tokens: 10 } });
  await store.redis.pexpire(keyOf("b"), 1_000);
  const budgets = new BatchBudgets(store.redis, 2);
  await budgets.pass();
  expect(await store.redis.pttl(keyOf("b"))).toBeGreaterThan(3_600_000);
  expect(await store.redis.pttl(keyOf("b", 1))).toBe(-1);
  await forget(there, 1);
  await store.redis.pexpire(keyOf("b"), 1_000);
  await budgets.pass();
  expect(await store.redis.pttl(keyOf("b"))).toBeLessThanOrEqual(1_000);
});

test("an admitted run whose job was lost stands before the runs without a batch again", async () => {
  await using look = openReconciler(redis.url, ledger);
  await createQueued(ledger, { batch: { id: "b", customId: "c" } });
  await createQueued(ledger);
  await look.passAfter(0);
  expect(await look.passAfter(ADD_GRACE_MS)).toHaveLength(2);
  const jobs = await look.queues.queueOf(ALPHA).getJobs(["prioritized"]);
  expect(jobs.map(({ priority }) => priority).sort()).toEqual([PRIORITY.admitted, PRIORITY.new].sort());
});
