import { jobIdOf } from "@baton/core";
import type { Redis } from "ioredis";
import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import type { QueueEntry } from "./create-run.ts";
import { runKeys, shardKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { type EnqueueOptions, PoolQueues } from "./pool-queues.ts";
import { type Healed, Reconciler } from "./reconciler.ts";
import { openBull } from "./testing/bull-rig.ts";
import { dumpRedis } from "./testing/dump-redis.ts";
import {
  ALPHA,
  BETA,
  claimed,
  commitOf,
  createQueued,
  itemAt,
  newOp,
  running,
  specOf,
  systemIds,
  timePasses,
} from "./testing/make-run.ts";

const redis = useRedis();
const LOCK_MS = 4_000;
const ADD_GRACE_MS = 1_000;
let ledger: Ledger;
beforeEach(() => {
  ledger = createLedger(redis.connect({ enableAutoPipelining: true }), { retentionMs: 0 });
});

/** Remembers the id of each job that was ever added. */
class RecordingQueues extends PoolQueues {
  readonly added: string[] = [];
  override async enqueue(entry: QueueEntry, options?: EnqueueOptions): Promise<void> {
    this.added.push(jobIdOf(entry.runId, entry.ticket));
    await super.enqueue(entry, options);
  }
}

/** A reconciler on the queues of a test; its clock stands still but for `passAfter`. */
function rig() {
  const added: RecordingQueues[] = [];
  const bull = openBull(redis.url, (connection: Redis, onError: (error: Error) => void) => {
    const queues = new RecordingQueues(connection, onError);
    added.push(queues);
    return queues;
  });
  let nowMs = systemIds.now();
  const ids = { ...systemIds, now: () => nowMs };
  const make = () =>
    new Reconciler({ ledger, queues: bull.queues, ids, lockMs: LOCK_MS, addGraceMs: ADD_GRACE_MS });
  const reconciler = make();
  return {
    bull,
    queues: bull.queues,
    make,
    added: () => added[0]?.added ?? [],
    /** Moves the reconciler's clock on, and lets it look. */
    async passAfter(ms: number): Promise<readonly Healed[]> {
      nowMs += ms;
      return (await reconciler.pass()).healed;
    },
    [Symbol.asyncDispose]: () => bull[Symbol.asyncDispose](),
  };
}

describe("a queued run whose entry is missing gets a new one, after a grace and under a new ticket (R4):", () => {
  async function expectHealed(look: ReturnType<typeof rig>, entry: QueueEntry) {
    expect(await look.passAfter(0), "one look is no proof").toEqual([]);
    expect(await look.passAfter(ADD_GRACE_MS - 1), "within the grace").toEqual([]);
    expect(await look.passAfter(1)).toEqual([
      { runId: entry.runId, pool: entry.pool, what: "entry_missing" },
    ]);
    const next = { ...entry, ticket: entry.ticket + 1 };
    expect(await look.queues.stateOf(next)).toBe("present");
    expect(await ledger.glance(entry.runId)).toMatchObject({ status: "queued", ticket: next.ticket });
    expect(await look.passAfter(LOCK_MS)).toEqual([]);
    return next;
  }

  test("its job was never added", async () => {
    await using look = rig();
    const entry = await createQueued(ledger);
    await claimed(ledger, await expectHealed(look, entry));
  });

  test("its queue was obliterated", async () => {
    await using look = rig();
    const entry = await createQueued(ledger);
    await look.queues.enqueue(entry);
    await look.queues.queueOf(ALPHA).obliterate({ force: true });
    await expectHealed(look, entry);
  });

  test("the hash of its job is left, in no list", async () => {
    await using look = rig();
    const entry = await createQueued(ledger);
    await look.queues.enqueue(entry);
    await ledger.redis.lrem(look.queues.queueOf(ALPHA).toKey("wait"), 0, `${entry.runId}-1`);
    await expectHealed(look, entry);
  });

  test("its handoff was committed and the job not added", async () => {
    await using look = rig();
    const { claim } = await running(ledger);
    await ledger.commit(claim, commitOf(1, { kind: "handoff", pool: BETA }));
    await expectHealed(look, { runId: claim.runId, ticket: 2, pool: BETA });
  });

  test("again and again: no id is added twice", async () => {
    await using look = rig();
    let entry = await createQueued(ledger);
    await look.queues.enqueue(entry);
    for (let round = 0; round < 3; round += 1) {
      await look.queues.queueOf(ALPHA).obliterate({ force: true });
      entry = await expectHealed(look, entry);
    }
    expect(look.added()).toEqual([1, 2, 3, 4].map((ticket) => `${entry.runId}-${ticket}`));
  });

  test("it keeps its time and its priority", async () => {
    await using look = rig();
    const late = await createQueued(ledger, { delayMs: 600_000 });
    const urgent = await createQueued(ledger, { spec: specOf({ priority: 9 }) });
    await look.passAfter(0);
    expect(await look.passAfter(ADD_GRACE_MS)).toHaveLength(2);
    const { delayed, prioritized, waiting } = await look.queues.countsOf(ALPHA);
    expect({ delayed, prioritized, waiting }).toEqual({ delayed: 1, prioritized: 1, waiting: 0 });
    expect((await ledger.glance(late.runId))?.notBefore).toBeGreaterThan(Date.now() + 500_000);
    expect((await ledger.glance(urgent.runId))?.notBefore).toBeUndefined();
  });

  test("two reconcilers that see it together heal it once", async () => {
    await using look = rig();
    const { runId } = await createQueued(ledger);
    const [one, two] = [look.make(), look.make()];
    await Promise.all([one.pass(), two.pass()]);
    await look.passAfter(ADD_GRACE_MS);
    const reports = await Promise.all([one.pass(), two.pass()]);
    expect(reports.flatMap(({ healed }) => healed)).toHaveLength(1);
    expect(look.added()).toEqual([`${runId}-2`]);
  });
});

describe("a running run whose job is gone:", () => {
  test("is requeued when it is missing on two looks, a lock duration apart, and its worker is fenced", async () => {
    await using look = rig();
    const { claim } = await running(ledger);
    expect(await look.passAfter(0)).toEqual([]);
    expect(await look.passAfter(LOCK_MS - 1)).toEqual([]);
    expect(await look.passAfter(1)).toEqual([{ runId: claim.runId, pool: ALPHA, what: "claim_lost" }]);
    expect(await ledger.append(claim, { length: 1, items: [itemAt(1)], events: [] })).toMatchObject({
      kind: "fenced",
    });
    expect(await look.queues.stateOf({ ...claim, ticket: 2 })).toBe("present");
  });

  test("is looked at anew when it was taken over between the looks", async () => {
    await using look = rig();
    const { claim } = await running(ledger);
    await look.passAfter(0);
    await claimed(ledger, claim);
    expect(await look.passAfter(LOCK_MS)).toEqual([]);
    expect(await look.passAfter(LOCK_MS)).toHaveLength(1);
  });

  test("is looked at anew when its job was seen between the looks", async () => {
    await using look = rig();
    const { claim } = await running(ledger);
    await look.passAfter(0);
    await look.queues.enqueue(claim);
    expect(await look.passAfter(LOCK_MS / 2)).toEqual([]);
    await look.queues.queueOf(ALPHA).obliterate({ force: true });
    expect(await look.passAfter(LOCK_MS / 2)).toEqual([]);
    expect(await look.passAfter(LOCK_MS)).toHaveLength(1);
  });

  test("is parked and not requeued when it was to pause", async () => {
    await using look = rig();
    const { claim } = await running(ledger);
    await ledger.pause(claim.runId, newOp());
    await look.passAfter(0);
    expect(await look.passAfter(LOCK_MS)).toEqual([]);
    expect((await ledger.read(claim.runId))?.run).toMatchObject({ status: "waiting", reason: "paused" });
    expect(look.added()).toEqual([]);
  });
});

test("waiting and terminal runs are left alone, whatever their queues hold", async () => {
  await using look = rig();
  const outcomes = [
    { kind: "wait", reason: "approval" },
    { kind: "succeeded" },
    { kind: "failed", code: "refusal", message: "no" },
  ] as const;
  for (const outcome of outcomes) {
    const { claim } = await running(ledger, { timeoutMs: 600_000 });
    await ledger.commit(claim, commitOf(1, outcome));
  }
  await ledger.cancel((await createQueued(ledger)).runId, newOp());
  const before = await dumpRedis(ledger.redis);
  for (let pass = 0; pass < 3; pass += 1) expect(await look.passAfter(LOCK_MS)).toEqual([]);
  expect(await dumpRedis(ledger.redis)).toEqual(before);
});

test("a deadline that has passed fails the run, queued, running or waiting, and no other", async () => {
  await using look = rig();
  const queued = await createQueued(ledger, { timeoutMs: 60_000 });
  const { claim: atWork } = await running(ledger, { timeoutMs: 60_000 });
  const { claim: parked } = await running(ledger, { timeoutMs: 60_000 });
  await ledger.commit(parked, commitOf(1, { kind: "wait", reason: "client_tools" }));
  const inTime = await createQueued(ledger, { timeoutMs: 60_000 });
  for (const entry of [queued, atWork, inTime]) await look.queues.enqueue(entry);
  const late = [queued, atWork, parked].map(({ runId }) => runId);
  for (const runId of late) await timePasses(ledger.redis, runId, "deadline");

  const healed = await look.passAfter(0);
  expect(healed.map(({ runId, what }) => `${runId} ${what}`).toSorted()).toEqual(
    late.map((runId) => `${runId} deadline`).toSorted(),
  );
  for (const runId of late) {
    expect((await ledger.read(runId))?.run).toMatchObject({ status: "failed", error: { code: "deadline" } });
  }
  expect(await ledger.glance(inTime.runId)).toMatchObject({ status: "queued" });
  expect(await look.passAfter(0)).toEqual([]);
});

test("200 healthy runs, waiting, delayed, prioritized and active, are never touched", async () => {
  await using look = rig();
  const gate = Promise.withResolvers<void>();
  let active = 0;
  look.bull.work(BETA, async () => {
    active += 1;
    await gate.promise;
  });
  for (let count = 0; count < 50; count += 1) {
    await look.queues.enqueue(await createQueued(ledger));
    await look.queues.enqueue(await createQueued(ledger, { delayMs: 600_000 }), { delayMs: 600_000 });
    await look.queues.enqueue(await createQueued(ledger), { priority: count + 1 });
    await look.queues.enqueue((await running(ledger, { pool: BETA })).claim);
  }
  await until(() => active === 50, { what: "50 active jobs" });
  const before = await dumpRedis(ledger.redis);
  for (const ms of [0, ADD_GRACE_MS, LOCK_MS, 29_000, 60_000]) expect(await look.passAfter(ms)).toEqual([]);
  expect(await dumpRedis(ledger.redis)).toEqual(before);
  expect(look.added()).toHaveLength(200);
  gate.resolve();
});

test("a pool that lost all of its jobs long ago is swept whole within three passes", async () => {
  await using look = rig();
  const entries = await Promise.all(Array.from({ length: 1_200 }, () => createQueued(ledger)));
  // Older than what each pass looks at first.
  await ledger.redis.zadd(shardKeys(0).live, ...entries.flatMap(({ runId }) => [1, runId]));
  const healed: Healed[] = [];
  // The first sees a slice and the deficit, the second the rest, the third heals what the second suspected.
  for (let pass = 0; pass < 3; pass += 1) {
    healed.push(...(await look.passAfter(ADD_GRACE_MS)));
  }
  expect(new Set(healed.map(({ runId }) => runId)).size).toBe(1_200);
  expect((await look.queues.countsOf(ALPHA)).waiting).toBe(1_200);
});

test("a run that is gone leaves no trace in the deadlines", async () => {
  await using look = rig();
  const { runId } = await createQueued(ledger, { timeoutMs: 60_000 });
  await timePasses(ledger.redis, runId, "deadline");
  await ledger.redis.del(...Object.values(runKeys(runId)));
  expect(await look.passAfter(0)).toEqual([]);
  expect(await ledger.redis.zcard(shardKeys(0).deadlines)).toBe(0);
});

test("runs whose retention has passed leave the lists, all of them within a few passes", async () => {
  await using look = rig();
  const kept = await createQueued(ledger);
  await look.queues.enqueue(kept);
  const ended = await Promise.all(Array.from({ length: 500 }, () => createQueued(ledger)));
  await Promise.all(ended.map(({ runId }) => ledger.cancel(runId, newOp())));
  await ledger.redis.del(...ended.slice(1).map(({ runId }) => runKeys(runId).run));
  for (let pass = 0; pass < 3; pass += 1) await look.passAfter(0);
  expect(await ledger.count("cancelled")).toBe(1);
  expect(await ledger.list("cancelled", { limit: 10 })).toEqual([ended[0]?.runId]);
  expect(await ledger.list("queued", { limit: 10 })).toEqual([kept.runId]);
  // The index grows and shrinks while it is swept; the sweep begins anew at its end.
  await ledger.redis.del(...ended.slice(0, 1).map(({ runId }) => runKeys(runId).run));
  for (let pass = 0; pass < 2; pass += 1) await look.passAfter(0);
  expect(await ledger.count("cancelled")).toBe(0);
});
