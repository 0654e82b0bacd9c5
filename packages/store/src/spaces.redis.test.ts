/** The runs of a namespace: listed, counted, and what they spent; how they leave is in due-runs. */
import { NO_USAGE, newRunId, type RunId } from "@baton/core";
import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { BatchBudgets } from "./batch-budgets.ts";
import { runKeys, shardKeys, spaceKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import {
  ALPHA,
  claimed,
  commitOf,
  createQueued,
  itemAt,
  newOp,
  running,
  systemIds,
} from "./testing/make-run.ts";

const redis = useRedis();
let ledger: Ledger;
beforeEach(async () => {
  ledger = createLedger(redis.connect({ enableAutoPipelining: true }), { retentionMs: 0 });
  await ledger.redis.flushall();
});

const NOTHING = { live: 0, waiting: 0, succeeded: 0, failed: 0, cancelled: 0 };

/** A queued, a running, a parked and a cancelled run of a namespace, in the order in which they were made. */
async function someRuns(namespace?: string) {
  const ids = Array.from({ length: 4 }, (_, place) =>
    newRunId(0, { ...systemIds, now: () => 1_000 + place }),
  );
  const [queuedId, atWorkId, parkedId, stoppedId] = ids as [RunId, RunId, RunId, RunId];
  await createQueued(ledger, { id: queuedId, namespace });
  await running(ledger, { id: atWorkId, namespace });
  const { claim } = await running(ledger, { id: parkedId, namespace });
  await ledger.commit(claim, commitOf(1, { kind: "wait", reason: "approval" }));
  await createQueued(ledger, { id: stoppedId, namespace });
  await ledger.cancel(stoppedId, newOp());
  return { queued: queuedId, atWork: atWorkId, parked: parkedId, stopped: stoppedId };
}

test("a namespace has its own runs, by status, and nobody else's", async () => {
  const [acme, zeta] = [await someRuns("acme"), await someRuns("zeta")];
  const nobodys = await someRuns();
  const list = (status: Parameters<Ledger["list"]>[0], namespace?: string) =>
    ledger.list(status, { limit: 9, namespace });
  expect(await list("queued", "acme")).toEqual([acme.queued]);
  expect(await list("running", "acme")).toEqual([acme.atWork]);
  expect(await list("waiting", "acme")).toEqual([acme.parked]);
  expect(await list("cancelled", "acme")).toEqual([acme.stopped]);
  expect(await list("running", "zeta")).toEqual([zeta.atWork]);
  expect(await list("running", "none")).toEqual([]);
  expect(new Set(await list("running"))).toEqual(new Set([acme.atWork, zeta.atWork, nobodys.atWork]));
  expect(await ledger.countSpace("acme")).toEqual({ ...NOTHING, live: 2, waiting: 1, cancelled: 1 });
  expect(await ledger.countSpace("none")).toEqual(NOTHING);
  expect(await ledger.namespaces()).toEqual(["acme", "zeta"]);
});

test("a run without a namespace makes no key of namespaces", async () => {
  await someRuns();
  expect(await ledger.redis.keys("*space*")).toEqual([]);
});

test("pages of a namespace go on where the one before ended, over all shards, though most runs are another's", async () => {
  const store = createLedger(ledger.redis, { retentionMs: 0, shards: 2 });
  const own: RunId[] = [];
  for (let place = 0; place < 30; place += 1) {
    const id = newRunId(place % 2, { ...systemIds, now: () => 1_000 + place });
    const namespace = place % 5 < 2 ? "acme" : "zeta";
    await createQueued(store, { id, namespace });
    if (namespace === "acme") own.unshift(id);
  }
  const first = await store.list("queued", { limit: 5, namespace: "acme" });
  const then = await store.list("queued", { limit: 9, namespace: "acme", before: first.at(-1) });
  expect([...first, ...then]).toEqual(own);
  expect(await store.countSpace("acme")).toEqual({ ...NOTHING, live: 12 });
  expect(await store.namespaces()).toEqual(["acme", "zeta"]);
});

test("whose run it is can be told at a glance", async () => {
  const { runId } = await createQueued(ledger, { namespace: "acme" });
  expect(await ledger.glance(runId)).toMatchObject({ namespace: "acme" });
  const nobodys = await createQueued(ledger);
  expect((await ledger.glance(nobodys.runId))?.namespace).toBeUndefined();
});

test.each(["", "Acme", "a b", "a:b", "a/b", "-a", "a\nb", "a".repeat(65)])(
  "what cannot stand in a key is no namespace: %j",
  async (namespace) => {
    const refused = { code: "invalid_spec", message: expect.stringContaining("a namespace has") };
    await expect(createQueued(ledger, { namespace })).rejects.toMatchObject(refused);
    await expect(ledger.countSpace(namespace)).rejects.toMatchObject(refused);
    await expect(ledger.spaceUsage(namespace)).rejects.toMatchObject(refused);
    await expect(ledger.dropSpace(namespace)).rejects.toMatchObject(refused);
    expect(await ledger.redis.keys("*")).toEqual([]);
  },
);

test("a namespace has a list of its own batches, newest first, which they leave as they leave that of all", async () => {
  await ledger.openBatch({ id: "acme/opened" });
  await createQueued(ledger, { batch: { id: "acme/made", customId: "c" }, namespace: "acme" });
  await createQueued(ledger, { batch: { id: "zeta/made", customId: "c" }, namespace: "zeta" });
  await createQueued(ledger, { batch: { id: "nobodys", customId: "c" } });
  const key = `${shardKeys(0).batchPrefix}acme/opened`;
  const list = (namespace?: string) => ledger.batches({ from: 0, limit: 9, namespace });
  // Apart by a second, because two of one millisecond have no order.
  for (const index of ["batches", "space:acme:batches"])
    await ledger.redis.zincrby(`{baton}:${index}`, 1_000, "acme/made");
  expect(await list("acme")).toEqual(["acme/made", "acme/opened"]);
  expect(await ledger.batches({ from: 1, limit: 9, namespace: "acme" })).toEqual(["acme/opened"]);
  expect(await list("none")).toEqual([]);
  expect(await list()).toHaveLength(4);
  await ledger.redis.del(key);
  await new BatchBudgets(ledger.redis, 1).pass();
  expect(await list("acme")).toEqual(["acme/made"]);
  expect(await list()).toHaveLength(3);
});

describe("what a namespace spent", () => {
  const phaseUsage = { ...NO_USAGE, costUsd: 0 };

  /** Writes a reply, and one that ends the run. */
  async function spendTwice(
    store: Ledger,
    more: Parameters<typeof createQueued>[1],
    spend: { readonly batch?: string; readonly namespace?: string; readonly costUsd: number | null },
  ) {
    const one = await claimed(store, await createQueued(store, more));
    expect(one.namespace).toBe(more?.namespace);
    const turn = { phaseUsage, spend: { tokens: 10, ...spend } };
    await store.append(one.claim, { length: 1, items: [itemAt(1)], turn, events: [] });
    await store.commit(one.claim, { ...commitOf(2, { kind: "succeeded" }, [itemAt(2)]), turn });
  }

  test("is counted with each reply, with and without a batch, and apart from others", async () => {
    const batch = { id: "b", customId: "c" };
    await spendTwice(ledger, { namespace: "acme" }, { namespace: "acme", costUsd: 0.25 });
    await spendTwice(ledger, { namespace: "acme", batch }, { namespace: "acme", batch: "b", costUsd: null });
    await spendTwice(ledger, { batch: { ...batch, customId: "d" } }, { batch: "b", costUsd: 1 });
    expect(await ledger.spaceUsage("acme")).toEqual({ tokens: 40, costUsd: 0.5, unpricedReplies: 2 });
    expect(await ledger.batch("b")).toMatchObject({ tokens: 40, costUsd: 2, unpricedReplies: 2 });
    expect(await ledger.spaceUsage("none")).toEqual({ tokens: 0, costUsd: 0, unpricedReplies: 0 });
  });

  test("is summed over the shards, and forgotten when that is asked for and it has no runs", async () => {
    const store = createLedger(ledger.redis, { retentionMs: 0, shards: 2 });
    const ids = [newRunId(0, systemIds), newRunId(1, systemIds)];
    for (const id of ids)
      await spendTwice(store, { id, namespace: "acme" }, { namespace: "acme", costUsd: 1 });
    expect(await store.spaceUsage("acme")).toEqual({ tokens: 40, costUsd: 4, unpricedReplies: 0 });
    expect(await store.dropSpace("acme")).toBe(false);
    expect(await store.spaceUsage("acme")).toMatchObject({ tokens: 40 });
    for (const shard of [0, 1]) await store.redis.del(`${spaceKeys(shard).spacePrefix}acme:runs`);
    expect(await store.dropSpace("acme")).toBe(true);
    expect(await store.spaceUsage("acme")).toMatchObject({ tokens: 0 });
    expect(await store.namespaces()).toEqual([]);
  });
});

test("a worker from before there were namespaces leaves their runs to others", async () => {
  const [own, nobodys] = [await createQueued(ledger, { namespace: "acme" }), await createQueued(ledger)];
  const versionOf = ({ runId }: { readonly runId: RunId }) => ledger.redis.hget(runKeys(runId).run, "v");
  expect(await versionOf(own)).toBe("4");
  expect(await versionOf(nobodys)).toBe("3");
  expect(await ledger.redis.hget(shardKeys(0).backlog, ALPHA)).toBe("2");
});
