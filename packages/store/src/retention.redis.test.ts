/** How long an ended run stays, by how it ended, and that all of it goes at that time. */
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { runKeys, shardKeys } from "./keys.ts";
import { createLedger } from "./ledger.ts";
import { claimed, commitOf, createQueued, newOp, running } from "./testing/make-run.ts";

const redis = useRedis();
const KEPT = { succeeded: 1_000_000, failed: 5_000_000, cancelled: 0 };

test("is told by its end: each status has its time, and 0 keeps a run for ever", async () => {
  const ledger = createLedger(redis.connect(), { retentionMs: KEPT });
  const [good, bad, stopped] = [await running(ledger), await running(ledger), await createQueued(ledger)];
  await ledger.commit(good.claim, commitOf(1, { kind: "succeeded" }));
  await ledger.commit(bad.claim, commitOf(1, { kind: "failed", code: "c", message: "m" }));
  await ledger.cancel(stopped.runId, newOp());
  const ttl = (id: Parameters<typeof runKeys>[0]) => ledger.redis.pttl(runKeys(id).run);
  expect(await ttl(good.claim.runId)).toBeLessThanOrEqual(KEPT.succeeded);
  expect(await ttl(bad.claim.runId)).toBeGreaterThan(KEPT.succeeded);
  expect(await ttl(stopped.runId)).toBe(-1);
  expect(await ledger.redis.zrange(shardKeys(0).expiries, "0", "-1")).toEqual([
    good.claim.runId,
    bad.claim.runId,
  ]);
  // Events are echo: they go an hour after the end, and never later than their run.
  expect(await ledger.redis.pttl(runKeys(good.claim.runId).events)).toBeLessThanOrEqual(KEPT.succeeded);
  expect(await ledger.redis.pttl(runKeys(bad.claim.runId).events)).toBeLessThanOrEqual(3_600_000);
});

test("all keys of a run go with it, and a retry before that keeps them, in a namespace too", async () => {
  const ledger = createLedger(redis.connect(), { retentionMs: 60_000 });
  const entry = await createQueued(ledger, { namespace: "acme" });
  const { claim } = await claimed(ledger, entry);
  await ledger.commit(claim, commitOf(1, { kind: "failed", code: "c", message: "m" }));
  const keys = await ledger.redis.keys(`${runKeys(entry.runId).run}*`);
  expect(keys.length).toBeGreaterThanOrEqual(4);
  for (const key of keys) expect(await ledger.redis.pttl(key)).toBeGreaterThan(0);
  const run = await ledger.read(entry.runId);
  const seen = { epoch: run?.run.epoch ?? 0, length: run?.run.items ?? 0 };
  await ledger.retry(entry.runId, { op: newOp(), ...seen, timeoutMs: 0, items: [] });
  for (const key of await ledger.redis.keys(`${runKeys(entry.runId).run}*`)) {
    expect(await ledger.redis.pttl(key)).toBe(-1);
  }
  expect(await ledger.redis.zcard(shardKeys(0).expiries)).toBe(0);
});

test("the budget of a batch goes after a while without runs, and stays with its first one", async () => {
  const ledger = createLedger(redis.connect(), { retentionMs: 0 });
  const key = `${shardKeys(0).batchPrefix}nightly`;
  await ledger.setBatchBudget("nightly", { tokens: 5 });
  expect(await ledger.redis.pttl(key)).toBeGreaterThan(0);
  await createQueued(ledger, { batch: { id: "nightly", customId: "a" } });
  expect(await ledger.redis.pttl(key)).toBe(-1);
  await ledger.setBatchBudget("nightly", { tokens: 9 });
  expect(await ledger.redis.pttl(key)).toBe(-1);
  expect((await ledger.batch("nightly")).budget).toEqual({ tokens: 9 });
});
