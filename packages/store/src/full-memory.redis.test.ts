/** Redis without a byte to spare: what was accepted goes on and can end, nothing new is taken, nothing is half done. */
import { beforeEach, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { dumpRedis } from "./testing/dump-redis.ts";
import {
  BEAT,
  claimed,
  commitOf,
  createQueued,
  draft,
  itemAt,
  newOp,
  running,
  timePasses,
} from "./testing/make-run.ts";

const redis = useRedis();
let ledger: Ledger;
beforeEach(async () => {
  ledger = createLedger(redis.connect(), { retentionMs: 60_000 });
  await ledger.redis.config("SET", "maxmemory", "0");
});

async function fillMemory(): Promise<void> {
  // Less than what is used already.
  await ledger.redis.config("SET", "maxmemory", "1");
  await expect(ledger.redis.set("probe", "x")).rejects.toThrow(/^OOM/);
}

test.each(["with the scripts known to Redis", "after a script flush"])(
  "a run that is under way goes on to its end, %s",
  async (when) => {
    const { claim } = await running(ledger);
    await fillMemory();
    if (when === "after a script flush") await ledger.redis.script("FLUSH");
    expect(await ledger.append(claim, { length: 1, items: [itemAt(1)], events: [] })).toMatchObject({
      kind: "appended",
    });
    expect(await ledger.beat(BEAT, [claim])).toEqual({ lost: [], holds: new Map() });
    const handBack = commitOf(2, { kind: "requeue", delayMs: 0, tries: { failures: 0, rateLimits: 0 } }, [
      itemAt(2),
    ]);
    expect(await ledger.commit(claim, handBack)).toMatchObject({ kind: "committed" });
    const next = await claimed(ledger, { ...claim, ticket: 2 });
    expect(next.items).toHaveLength(3);
    expect(await ledger.commit(next.claim, commitOf(3, { kind: "succeeded" }))).toMatchObject({
      kind: "committed",
      status: "succeeded",
    });
    expect((await ledger.read(claim.runId))?.run).toMatchObject({ status: "succeeded", items: 3 });
    expect((await ledger.snapshot(claim.runId)).event).toMatchObject({ type: "snapshot" });
  },
);

test("people and the reconciler can still end, pause and requeue runs", async () => {
  const [first, second, third] = [
    await createQueued(ledger),
    await createQueued(ledger),
    await createQueued(ledger, { timeoutMs: 60_000 }),
  ];
  await timePasses(ledger.redis, third.runId, "deadline");
  await fillMemory();
  expect(await ledger.cancel(first.runId, newOp())).toMatchObject({ kind: "done" });
  expect(await ledger.pause(second.runId, newOp())).toMatchObject({ kind: "done" });
  expect(await ledger.resume(second.runId, newOp())).toMatchObject({ kind: "done" });
  const seen = { status: "queued" as const, ticket: 3, epoch: 3, claimId: "" };
  expect(await ledger.requeue(second.runId, newOp(), seen)).toMatchObject({ kind: "done" });
  expect(await ledger.expire(third.runId)).toMatchObject({ kind: "done" });
});

test("new runs and retries are refused, and nothing of them is written", async () => {
  const { claim } = await running(ledger);
  const { runId } = await createQueued(ledger);
  await ledger.cancel(runId, newOp());
  await fillMemory();
  const before = await dumpRedis(ledger.redis);
  const run = draft({ idempotencyKey: "k", needs: ["server:s"], timeoutMs: 60_000 });
  await expect(ledger.create(run)).rejects.toMatchObject({ code: "redis_full" });
  const retry = { op: newOp(), epoch: 2, length: 1, timeoutMs: 60_000, items: [itemAt(1)] };
  await expect(ledger.retry(runId, retry)).rejects.toMatchObject({ code: "redis_full" });
  const text = { type: "text" as const, epoch: claim.epoch, phase: 0, text: "x" };
  await expect(ledger.publish([{ claim, events: [text] }])).rejects.toMatchObject({ code: "redis_full" });
  expect(await dumpRedis(ledger.redis)).toEqual(before);

  await ledger.redis.config("SET", "maxmemory", "0");
  expect(await ledger.create(run)).toMatchObject({ kind: "created" });
  expect(await ledger.retry(runId, retry)).toMatchObject({ kind: "done" });
});

test("the runs of a batch can still be listed, so that they can be cancelled", async () => {
  const { runId } = await createQueued(ledger, { batch: { id: "b", customId: "c" } });
  await fillMemory();
  expect(await ledger.batchPage("b", { limit: 9 })).toMatchObject({ ids: [runId] });
});
