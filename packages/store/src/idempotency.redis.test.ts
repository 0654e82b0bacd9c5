import { beforeEach, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { conflictError } from "./create-run.ts";
import { runKeys, shardKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { dumpRedis } from "./testing/dump-redis.ts";
import { ALPHA, BETA, createQueued, draft, newOp, running, specOf } from "./testing/make-run.ts";

const redis = useRedis();
let ledger: Ledger;
beforeEach(() => {
  ledger = createLedger(redis.connect(), { retentionMs: 0 });
});

test("the same key with the same body finds the run, wherever it is by now, and writes nothing (R8)", async () => {
  const first = await ledger.create(draft({ idempotencyKey: "k" }));
  if (first.kind !== "created") throw new Error("the first create makes the run");
  const second = draft({ idempotencyKey: "k" });
  const before = await dumpRedis(ledger.redis);
  expect(await ledger.create(second)).toEqual({ kind: "exists", entry: first.entry });
  expect(await dumpRedis(ledger.redis)).toEqual(before);

  await ledger.requeue(first.entry.runId, newOp(), { status: "queued", ticket: 1, epoch: 1, claimId: "" });
  const moved = { ...first.entry, ticket: 2 };
  expect(await ledger.create(draft({ idempotencyKey: "k" }))).toEqual({ kind: "exists", entry: moved });
  await ledger.cancel(first.entry.runId, newOp());
  expect(await ledger.create(draft({ idempotencyKey: "k" }))).toEqual({ kind: "exists", entry: moved });
});

test("the same key with another body is a conflict that names the run, and writes nothing (R8)", async () => {
  const { runId } = await createQueued(ledger, { idempotencyKey: "k" });
  const before = await dumpRedis(ledger.redis);
  const other = draft({ idempotencyKey: "k", spec: specOf({ input: "something else" }) });
  expect(await ledger.create(other)).toEqual({ kind: "conflict", runId });
  expect(await dumpRedis(ledger.redis)).toEqual(before);
  expect(conflictError(runId)).toMatchObject({ code: "conflict", fields: { runId } });
});

test("many submissions of one key at once make one run (R8)", async () => {
  const replies = await Promise.all(
    Array.from({ length: 20 }, () => ledger.create(draft({ idempotencyKey: "k" }))),
  );
  expect(replies.filter(({ kind }) => kind === "created")).toHaveLength(1);
  const ids = replies.map((reply) => (reply.kind === "conflict" ? reply.runId : reply.entry.runId));
  expect(new Set(ids).size).toBe(1);
  expect(await ledger.count("queued")).toBe(1);
});

test("different keys, and submissions without a key, are different runs", async () => {
  await createQueued(ledger, { idempotencyKey: "k1" });
  await createQueued(ledger, { idempotencyKey: "k2" });
  await createQueued(ledger);
  await createQueued(ledger);
  expect(await ledger.count("queued")).toBe(4);
});

test("the key itself is not in Redis: it may be a customer's word", async () => {
  const { runId } = await createQueued(ledger, { idempotencyKey: "order-for-alice" });
  expect(JSON.stringify(await dumpRedis(ledger.redis))).not.toContain("alice");
  expect(await ledger.redis.keys(`${shardKeys(0).idemPrefix}*`)).toHaveLength(1);
  expect(await ledger.glance(runId)).toBeDefined();
});

test("a key lives as long as its run: after the retention the same key makes a new run (R8)", async () => {
  const short = createLedger(redis.connect(), { retentionMs: 40 });
  const { runId } = await createQueued(short, { idempotencyKey: "k", needs: ["server:s"] });
  await short.cancel(runId, newOp());
  const keys = Object.values(runKeys(runId)).filter((key) => !key.endsWith(":events"));
  const idempotencyKeys = `${shardKeys(0).idemPrefix}*`;
  await until(async () => (await short.redis.exists(...keys)) === 0, { what: "the run to expire" });
  await until(async () => (await short.redis.keys(idempotencyKeys)).length === 0, {
    what: "its key to expire",
  });
  expect(await short.read(runId)).toBeUndefined();
  expect(await short.create(draft({ idempotencyKey: "k", spec: specOf({ input: "new" }) }))).toMatchObject({
    kind: "created",
  });
});

test("a key whose run is gone before it is free again", async () => {
  const { runId } = await createQueued(ledger, { idempotencyKey: "k" });
  await ledger.redis.del(runKeys(runId).run);
  const next = draft({ idempotencyKey: "k", spec: specOf({ input: "new" }) });
  expect(await ledger.create(next)).toMatchObject({ kind: "created", entry: { runId: next.id } });
});

test("a retry takes run and key out of the retention, and the next end puts them back", async () => {
  const kept = createLedger(redis.connect(), { retentionMs: 3_600_000 });
  const { runId } = await createQueued(kept, { idempotencyKey: "k", needs: ["server:s"] });
  const expiring = async () =>
    Object.entries(await dumpRedis(kept.redis))
      .filter(([key, value]) => (key.includes(runId) || key.includes("idem")) && isExpiring(value))
      .map(([key]) => key.slice(key.lastIndexOf(":") + 1)).length;
  expect(await expiring()).toBe(0);
  await kept.cancel(runId, newOp());
  // The run, its spec, needs, log, phases and events, and the key.
  expect(await expiring()).toBe(7);
  await kept.retry(runId, { op: newOp(), epoch: 2, length: 1, timeoutMs: 0, items: [] });
  expect(await expiring()).toBe(0);
  await kept.cancel(runId, newOp());
  expect(await expiring()).toBe(7);
});

test("a retention that is no whole number of milliseconds ends a run like any other", async () => {
  const odd = createLedger(redis.connect(), { retentionMs: 86_400_000 / 7 });
  const { claim } = await running(odd, { timeoutMs: 60_000 });
  expect(await odd.cancel(claim.runId, newOp())).toMatchObject({ kind: "done" });
  expect((await odd.read(claim.runId))?.run).toMatchObject({ status: "cancelled" });
  expect(await odd.redis.pttl(runKeys(claim.runId).run)).toBeGreaterThan(0);
});

test("listing gives the runs of a status, newest first, page by page", async () => {
  const ids: string[] = [];
  for (let count = 0; count < 5; count += 1) {
    ids.unshift((await createQueued(ledger, { pool: count % 2 === 0 ? ALPHA : BETA })).runId);
  }
  const newest = ids.toSorted().toReversed();
  const { claim } = await running(ledger);
  expect(await ledger.list("queued", { limit: 10 })).toEqual(newest);
  expect(await ledger.list("running", { limit: 10 })).toEqual([claim.runId]);
  const page = await ledger.list("queued", { limit: 2 });
  expect(page).toEqual(newest.slice(0, 2));
  expect(await ledger.list("queued", { limit: 10, before: page[1] })).toEqual(newest.slice(2));
  expect(await ledger.list("succeeded", { limit: 10 })).toEqual([]);
  expect([await ledger.count("queued"), await ledger.count("running")]).toEqual([5, 1]);
});

function isExpiring(value: unknown): boolean {
  return typeof value === "object" && value !== null && "expires" in value && value.expires === true;
}
