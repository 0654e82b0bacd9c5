import { beforeEach, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { runKeys, shardKeys, spaceKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { ALPHA, createQueued, newOp, systemIds } from "./testing/make-run.ts";
import { openReconciler, type ReconcilerRig } from "./testing/reconciler-rig.ts";

const redis = useRedis();
const keys = shardKeys(0);
const RETENTION_MS = 200;
let ledger: Ledger;
beforeEach(() => {
  ledger = createLedger(redis.connect({ enableAutoPipelining: true }), { retentionMs: RETENTION_MS });
});

/** Creates runs that end at once; their keys are gone when this returns. */
async function expiredRuns(count: number, batch?: string, namespace?: string) {
  const ids: Awaited<ReturnType<typeof endedRun>>[] = [];
  for (let from = 0; from < count; from += 500) {
    ids.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(500, count - from) }, () => endedRun(batch, namespace)),
      )),
    );
  }
  await until(
    async () => (await ledger.redis.exists(...ids.slice(-500).map((id) => runKeys(id).run))) === 0,
    {
      what: "the end of the retention",
    },
  );
  return ids;
}

async function endedRun(batch?: string, namespace?: string) {
  const customId = String(systemIds.random(8));
  const place = batch === undefined ? undefined : { id: batch, customId };
  const { runId } = await createQueued(ledger, { batch: place, namespace });
  await ledger.cancel(runId, newOp());
  return runId;
}

/** Passes until nothing is forgotten any more; returns how many passes forgot something. */
async function forgetAll(
  look: ReconcilerRig,
): Promise<{ readonly passes: number; readonly forgotten: number }> {
  let [passes, all] = [0, 0];
  await look.report(60_000);
  for (;;) {
    const { forgotten, healed } = await look.report(1_000);
    expect(healed).toEqual([]);
    if (forgotten === 0) return { passes, forgotten: all };
    passes += 1;
    all += forgotten;
  }
}

test("10,000 runs whose retention has passed are gone from every index within ten passes", async () => {
  await using look = openReconciler(redis.url, ledger);
  const kept = await createQueued(ledger);
  await look.queues.enqueue(kept);
  await expiredRuns(10_000);
  expect(await ledger.redis.zcard(keys.status)).toBe(10_001);
  const { passes } = await forgetAll(look);
  expect(passes).toBeLessThanOrEqual(10);
  expect(await ledger.redis.zrange(keys.status, "0", "-1")).toEqual([`live/${kept.runId}`]);
  expect(await ledger.redis.exists(keys.expiries, keys.deadlines, keys.running)).toBe(0);
  expect(await ledger.count("cancelled")).toBe(0);
});

test("a batch goes with the last of its runs, and not before", async () => {
  await using look = openReconciler(redis.url, ledger);
  await ledger.redis.hset(`${keys.batchPrefix}b1`, "tokens", 7);
  await ledger.redis.hset(`${keys.batchPrefix}b2`, "tokens", 8);
  const lasting = createLedger(ledger.redis, { retentionMs: 0 });
  const alive = await createQueued(lasting, { batch: { id: "b1", customId: "alive" } });
  await look.queues.enqueue(alive);
  await expiredRuns(5, "b1");
  await expiredRuns(5, "b2");
  await forgetAll(look);
  expect(await ledger.redis.zrange(`${keys.batchPrefix}b1:runs`, "0", "-1")).toEqual([`live/${alive.runId}`]);
  const kept = await ledger.redis.hgetall(`${keys.batchPrefix}b1`);
  expect(kept).toEqual({ tokens: "7", created: expect.any(String) });
  expect(await ledger.redis.hgetall(`${keys.batchPrefix}b1:pools`)).toEqual({ [ALPHA]: "1" });
  expect(await ledger.redis.exists(`${keys.batchPrefix}b1:ended`)).toBe(0);
  expect(await ledger.redis.keys(`${keys.batchPrefix}b2*`)).toEqual([]);
  expect(await ledger.batches({ from: 0, limit: 10 })).toEqual(["b1"]);
});

test("runs of a namespace leave its index, the last of them takes it along, and what was spent stays", async () => {
  await using look = openReconciler(redis.url, ledger);
  const { namespaces, spacePrefix } = spaceKeys(0);
  const lasting = createLedger(ledger.redis, { retentionMs: 0 });
  const alive = await createQueued(lasting, { namespace: "alive" });
  await look.queues.enqueue(alive);
  for (const name of ["alive", "frugal", "spender"]) await expiredRuns(3, undefined, name);
  await expiredRuns(3, "spender/b", "spender");
  await ledger.redis.hset(`${spacePrefix}spender`, "tokens", 7);
  const before = [`${spacePrefix}alive:runs`, `${spacePrefix}frugal:runs`, `${spacePrefix}spender:runs`];
  expect(await ledger.redis.exists(...before)).toBe(3);
  await forgetAll(look);
  // The walks along all indexes find nothing to add to that.
  for (let pass = 0; pass < 12; pass += 1) expect((await look.report(1)).healed).toEqual([]);
  expect((await ledger.redis.keys(`${spacePrefix}*`)).sort()).toEqual([before[0], `${spacePrefix}spender`]);
  expect(await ledger.redis.zrange(before[0] ?? "", "0", "-1")).toEqual([`live/${alive.runId}`]);
  expect((await ledger.redis.smembers(namespaces)).sort()).toEqual(["alive", "spender"]);
  expect(await ledger.spaceUsage("spender")).toMatchObject({ tokens: 7 });
  expect(await ledger.redis.exists(`${keys.batchPrefix}spender/b`, keys.expiries)).toBe(0);
  expect(await ledger.dropSpace("spender")).toBe(true);
  expect(await ledger.namespaces()).toEqual(["alive"]);
});

test("a run that was retried is kept, and one that has time left waits for it", async () => {
  await using look = openReconciler(redis.url, ledger);
  const patient = createLedger(ledger.redis, { retentionMs: 600_000 });
  const retried = await createQueued(patient);
  const waits = await createQueued(patient);
  for (const { runId } of [retried, waits]) await patient.cancel(runId, newOp());
  const run = (await ledger.read(retried.runId))?.run;
  await patient.retry(retried.runId, {
    op: newOp(),
    epoch: run?.epoch ?? 0,
    length: run?.items ?? 0,
    timeoutMs: 0,
    items: [],
  });
  await look.queues.enqueue({ runId: retried.runId, ticket: 3, pool: ALPHA });
  // As a Redis that lost its last writes would have it: due, although neither is.
  await ledger.redis.zadd(keys.expiries, 1, retried.runId, 1, waits.runId);
  expect(await look.report(0)).toEqual({ healed: [], forgotten: 0 });
  expect(await ledger.redis.zrange(keys.expiries, "0", "-1")).toEqual([waits.runId]);
  expect(Number(await ledger.redis.zscore(keys.expiries, waits.runId))).toBeGreaterThan(Date.now() + 500_000);
  expect(await ledger.list("queued", { limit: 5 })).toEqual([retried.runId]);
  expect(await ledger.list("cancelled", { limit: 5 })).toEqual([waits.runId]);
});
