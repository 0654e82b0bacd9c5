/** What the feeder does with runs that wait for their admission; how it shares a pool is in feeder-shares.redis.test.ts. */
import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { admissionKeys, runKeys, shardKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { defineScripts } from "./scripts.ts";
import { openFeeder, WINDOW } from "./testing/feeder-rig.ts";
import { ALPHA, BETA, claimEntry, claimed, newOp } from "./testing/make-run.ts";

const redis = useRedis();
const keys = admissionKeys(0);
let ledger: Ledger;
beforeEach(() => {
  ledger = createLedger(redis.connect({ enableAutoPipelining: true }), { retentionMs: 60_000 });
});

function openRig() {
  return openFeeder(() => redis.connect(), ledger);
}

test("a batch keeps its runs in the ledger, and the queue holds a window of them in their order", async () => {
  await using rig = openRig();
  const ids = await rig.submitBatch("big", 100);
  const [first] = ids;
  if (first === undefined) throw new Error("a run");
  expect((await rig.queues.countsOf(ALPHA)).prioritized).toBe(0);
  expect(await ledger.redis.zcard(shardKeys(0).live)).toBe(0);
  expect((await ledger.read(first))?.run).toMatchObject({ status: "queued", ticket: 0 });

  expect(await rig.feed()).toMatchObject({ fed: WINDOW, waiting: 100 - WINDOW });
  expect(await rig.feed()).toMatchObject({ fed: 0 });
  const jobs = await rig.queues.queueOf(ALPHA).getJobs(["prioritized"]);
  expect(jobs.map((job) => job.data.runId).sort()).toEqual(ids.slice(0, WINDOW));
  expect(await ledger.redis.zrange(shardKeys(0).live, "0", "-1")).toHaveLength(WINDOW);
  expect(await ledger.batchPools("big")).toEqual(new Map([[ALPHA, 100]]));

  await rig.beginMany(100);
  expect(await ledger.countBatch("big")).toEqual({
    queued: 0,
    running: 0,
    waiting: 0,
    succeeded: 100,
    failed: 0,
    cancelled: 0,
  });
  expect(await ledger.batchPools("big")).toEqual(new Map());
  const left = await Promise.all([
    ledger.redis.exists(keys.admission, `${keys.flowsPrefix}${ALPHA}`, `${keys.fedPrefix}${ALPHA}`),
    ledger.redis.hget(shardKeys(0).backlog, ALPHA),
  ]);
  expect(left).toEqual([0, "0"]);
});

describe("a run that waits for its admission", () => {
  test("is cancelled, and its place is gone", async () => {
    await using rig = openRig();
    const [first, second] = await rig.submitBatch("b", 2);
    if (first === undefined || second === undefined) throw new Error("two runs");
    expect(await ledger.cancel(first, newOp())).toMatchObject({ kind: "done" });
    expect(await rig.feed()).toMatchObject({ fed: 1, waiting: 0 });
    expect(await ledger.redis.zrange(shardKeys(0).live, "0", "-1")).toEqual([second]);
    expect(await ledger.redis.hget(shardKeys(0).backlog, ALPHA)).toBe("1");
  });

  test("is paused and resumed, and waits for its admission again", async () => {
    await using rig = openRig();
    const [id] = await rig.submitBatch("b", 1);
    if (id === undefined) throw new Error("a run");
    expect(await ledger.pause(id, newOp())).toMatchObject({ kind: "done" });
    expect(await rig.feed()).toMatchObject({ fed: 0, waiting: 0 });
    const resumed = await ledger.resume(id, newOp());
    expect(resumed).toMatchObject({ kind: "done", entry: { runId: id, ticket: 0 } });
    // What a caller adds for it is no job.
    await rig.queues.enqueue({ runId: id, ticket: 0, pool: ALPHA });
    expect((await rig.queues.countsOf(ALPHA)).waiting).toBe(0);
    expect(await rig.feed()).toMatchObject({ fed: 1, waiting: 0 });
  });

  test("that was cancelled is retried, and waits for its admission again", async () => {
    await using rig = openRig();
    const [id] = await rig.submitBatch("b", 1);
    if (id === undefined) throw new Error("a run");
    await ledger.cancel(id, newOp());
    expect((await ledger.batchEnded("b", { limit: 10 })).ended).toMatchObject([{ id }]);
    const glance = await ledger.glance(id);
    await ledger.retry(id, {
      op: newOp(),
      epoch: glance?.epoch ?? 0,
      length: 1,
      timeoutMs: 0,
      items: [],
    } as never);
    expect((await ledger.batchEnded("b", { limit: 10 })).ended).toEqual([]);
    expect(await rig.feed()).toMatchObject({ fed: 1, waiting: 0 });
  });

  test("is not admitted before its time", async () => {
    await using rig = openRig();
    await rig.submitBatch("b", 3, { delayMs: 400 });
    expect(await rig.feed()).toMatchObject({ fed: 0, waiting: 3 });
    await until(async () => (await rig.feed()).fed === 3, { what: "the time" });
  });

  test("is held back while the budget of its batch is spent", async () => {
    await using rig = openRig();
    await ledger.openBatch({ id: "b", budget: { tokens: 10 } });
    await rig.submitBatch("b", 3);
    await ledger.redis.hset(`${shardKeys(0).batchPrefix}b`, "tokens", "10");
    expect(await rig.feed()).toMatchObject({ fed: 0, waiting: 3 });
    expect(await ledger.batch("b")).toMatchObject({ isSpent: true, tokens: 10 });
    await ledger.setBatchBudget("b", { tokens: 20 });
    expect(await rig.feed()).toMatchObject({ fed: 3, waiting: 0 });
  });

  test("stays where it is while its pool is held", async () => {
    await using rig = openRig();
    await rig.submitBatch("b", 3);
    await ledger.hold(ALPHA, { kind: "paused" });
    expect(await rig.feed()).toMatchObject({ fed: 0 });
    await ledger.release(ALPHA);
    expect(await rig.feed()).toMatchObject({ fed: 3 });
  });

  test("is not taken for a run that lost its job, and gets a lost place back", async () => {
    await using rig = openRig();
    const [id] = await rig.submitBatch("b", 1);
    if (id === undefined) throw new Error("a run");
    const run = defineScripts(ledger.redis);
    expect(await run("audit", [runKeys(id).run], ["repair", "", "live"])).toEqual([]);
    await ledger.redis.del(`${keys.admitPrefix}${ALPHA}:b`, `${keys.flowsPrefix}${ALPHA}`);
    expect(await run("audit", [runKeys(id).run], ["repair", "", "live"])).toEqual([[0, "admission+"]]);
    expect(await rig.feed()).toMatchObject({ fed: 1, waiting: 0 });
  });

  test("is found again when the count of its pool is lost, and the window when an admitted run is gone", async () => {
    await using rig = openRig();
    await rig.submitBatch("b", 2);
    await ledger.redis.del(keys.admission);
    await ledger.redis.sadd(
      `${keys.fedPrefix}${ALPHA}`,
      ...Array.from({ length: WINDOW }, (_, one) => `gone-${one}`),
    );
    expect(await rig.feedAll()).toMatchObject({ fed: 2, waiting: 0 });
  });
});

test("a batch is listed, opened once, and its runs in the order of their end", async () => {
  await using rig = openRig();
  expect(await ledger.openBatch({ id: "one", weight: 2 })).toBe("opened");
  expect(await ledger.openBatch({ id: "one", weight: 5 })).toBe("known");
  const ids = await rig.submitBatch("one", 5, { pool: BETA });
  await ledger.sealBatch("one", 5);
  expect(await ledger.batch("one")).toMatchObject({ weight: 2, lines: 5, isSpent: false });
  expect(await ledger.batches({ from: 0, limit: 10 })).toEqual(["one"]);
  const order = [3, 0, 4].map((place) => ids[place]).filter((id) => id !== undefined);
  for (const id of order) await ledger.cancel(id, newOp());
  const first = await ledger.batchEnded("one", { limit: 2 });
  const rest = await ledger.batchEnded("one", { limit: 2, cursor: first.cursor });
  const told = [...first.ended, ...rest.ended];
  expect(told.map(({ id }) => id).sort()).toEqual([...order].sort());
  expect((await ledger.batchEnded("one", { limit: 2, cursor: rest.cursor })).ended).toEqual([]);
  // Behind a place there may be runs of its own millisecond again, and never itself.
  for (const [at, { id, place }] of told.entries()) {
    const behind = (await ledger.batchEnded("one", { limit: 9, after: place })).ended.map((one) => one.id);
    expect(behind).toEqual(expect.arrayContaining(told.slice(at + 1).map((one) => one.id)));
    expect(behind).not.toContain(id);
  }
  for (const after of ["", "~", `1.2~${ids[0]}`, "[]", "x".repeat(99)]) {
    await expect(ledger.batchEnded("one", { limit: 2, after })).rejects.toMatchObject({
      code: "invalid_spec",
    });
  }
});

test("a batch that no worker can take is tried by one run at a time, and does not fill the window", async () => {
  await using rig = openRig();
  const unfit = await rig.submitBatch("unfit", 100, { needs: ["server:nowhere"] });
  await rig.feed();
  for (const runId of unfit.slice(0, WINDOW)) {
    expect(await claimEntry(ledger, { runId, ticket: 1, pool: ALPHA })).toMatchObject({ kind: "unfit" });
  }
  // A worker puts their jobs off; here they are of no more use.
  await rig.queues.queueOf(ALPHA).drain();
  await rig.submitBatch("fit", 20);
  expect(await rig.feed()).toMatchObject({ fed: WINDOW });
  const fair = `${keys.fairPrefix}${ALPHA}`;
  const fed = await ledger.redis.smembers(`${keys.fedPrefix}${ALPHA}`);
  expect(fed.filter((id) => unfit.some((one) => one === id))).toEqual([]);

  // Seconds later, one of it.
  await ledger.redis.hset(fair, "unfit:unfit", "1");
  await ledger.redis.zadd(`${keys.asleepPrefix}${ALPHA}`, "XX", 0, "unfit");
  await ledger.redis.del(`${keys.fedPrefix}${ALPHA}`);
  await rig.feed();
  const again = await ledger.redis.smembers(`${keys.fedPrefix}${ALPHA}`);
  expect(again.filter((id) => unfit.some((one) => one === id))).toHaveLength(1);

  // Somebody who has what it needs takes one: it goes on as any other.
  const capabilities = new Set(["server:nowhere"]);
  await claimed(ledger, { runId: unfit[0] ?? raise(), ticket: 1, pool: ALPHA }, { capabilities });
  expect(await ledger.redis.hget(fair, "unfit:unfit")).toBeNull();
});

function raise(): never {
  throw new Error("a batch of no runs");
}
