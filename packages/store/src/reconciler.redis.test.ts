import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import type { QueueEntry } from "./create-run.ts";
import type { Healed } from "./heal-log.ts";
import { shardKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
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
  timePasses,
} from "./testing/make-run.ts";
import { ADD_GRACE_MS, LOCK_MS, openReconciler, type ReconcilerRig } from "./testing/reconciler-rig.ts";

const redis = useRedis();
let ledger: Ledger;
beforeEach(() => {
  ledger = createLedger(redis.connect({ enableAutoPipelining: true }), { retentionMs: 0 });
});

const rig = () => openReconciler(redis.url, ledger);

describe("a queued run whose entry is missing gets a new one, after a grace and under a new ticket (R4):", () => {
  async function expectHealed(look: ReconcilerRig, entry: QueueEntry) {
    // A deficit is noticed on two passes, and what is missing then is only suspected.
    expect(await look.passAfter(0), "one look is no proof").toEqual([]);
    expect(await look.passAfter(1)).toEqual([]);
    expect(await look.passAfter(ADD_GRACE_MS - 2), "within the grace").toEqual([]);
    expect(await look.passAfter(2)).toEqual([
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
    await Promise.all([one.pass(look.now), two.pass(look.now)]);
    const later = look.now + ADD_GRACE_MS;
    const reports = await Promise.all([one.pass(later), two.pass(later)]);
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
    expect(await look.passAfter(LOCK_MS / 2), "suspected anew").toEqual([]);
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

test("a pool that lost all of its jobs long ago is swept whole within four passes", async () => {
  await using look = rig();
  const entries = await Promise.all(Array.from({ length: 2_300 }, () => createQueued(ledger)));
  // Older than what each pass looks at first, and all of one moment, which is more than a page holds.
  await ledger.redis.zadd(shardKeys(0).live, ...entries.flatMap(({ runId }) => [1, runId]));
  const healed: Healed[] = [];
  // The first suspects them, the others heal, so many a pass.
  for (let pass = 0; pass < 4; pass += 1) {
    healed.push(...(await look.passAfter(ADD_GRACE_MS)));
  }
  expect(new Set(healed.map(({ runId }) => runId)).size).toBe(2_300);
  // None of them has begun, so they stand behind those that have.
  expect(await look.queues.countsOf(ALPHA)).toMatchObject({ waiting: 0, prioritized: 2_300 });
});

describe("once the first round is over, what is lost shows within seconds:", () => {
  /** Passes a second apart until something is healed; returns it and how many seconds went by. */
  async function secondsUntilHealed(look: ReconcilerRig, withinS: number) {
    for (let seconds = 1; seconds <= withinS; seconds += 1) {
      const healed = await look.passAfter(1_000);
      if (healed.length > 0) return { healed, seconds };
    }
    throw new Error(`nothing was healed within ${withinS} s`);
  }

  /** A job of no run that lives, which hides a missing one from the counts. */
  async function addStaleJob(look: ReconcilerRig) {
    const stale = await createQueued(ledger);
    await look.queues.enqueue(stale);
    await ledger.cancel(stale.runId, newOp());
  }

  /** As if the entry had been made long ago, so that only counts and rounds find it. */
  const age = (...entries: readonly QueueEntry[]) =>
    ledger.redis.zadd(shardKeys(0).live, ...entries.flatMap(({ runId }) => [1, runId]));

  test("a new entry without its job, although stale jobs hide it from the counts", async () => {
    await using look = rig();
    await look.settle();
    for (let count = 0; count < 3; count += 1) await addStaleJob(look);
    const lost = await createQueued(ledger);
    const { healed, seconds } = await secondsUntilHealed(look, 5);
    expect(healed).toEqual([{ runId: lost.runId, pool: ALPHA, what: "entry_missing" }]);
    expect(seconds).toBeLessThanOrEqual(3);
  });

  test("a handoff without its job, whose old job is still there", async () => {
    await using look = rig();
    await look.settle();
    const { claim } = await running(ledger);
    await look.queues.enqueue(claim);
    await ledger.commit(claim, commitOf(1, { kind: "handoff", pool: BETA }));
    await age(claim);
    const { healed, seconds } = await secondsUntilHealed(look, 5);
    expect(healed).toEqual([{ runId: claim.runId, pool: BETA, what: "entry_missing" }]);
    expect(seconds).toBeLessThanOrEqual(3);
  });

  test("an old entry whose job is gone, and the jobs of a queue that was obliterated", async () => {
    await using look = rig();
    const entries = await Promise.all(Array.from({ length: 30 }, () => createQueued(ledger)));
    for (const entry of entries) await look.queues.enqueue(entry);
    await age(...entries);
    await look.settle();
    await (await look.queues.queueOf(ALPHA).getJob(`${entries[7]?.runId}-1`))?.remove();
    const one = await secondsUntilHealed(look, 5);
    expect(one.healed).toEqual([{ runId: entries[7]?.runId, pool: ALPHA, what: "entry_missing" }]);
    await look.queues.queueOf(ALPHA).obliterate({ force: true });
    const all = await secondsUntilHealed(look, 5);
    expect(all.healed).toHaveLength(30);
    expect(Math.max(one.seconds, all.seconds)).toBeLessThanOrEqual(4);
  });

  test("a delayed job, and it keeps its time", async () => {
    await using look = rig();
    const late = await createQueued(ledger, { delayMs: 600_000 });
    await look.queues.enqueue(late, { delayMs: 600_000 });
    await age(late);
    await look.settle();
    await (await look.queues.queueOf(ALPHA).getJob(`${late.runId}-1`))?.remove();
    const { healed } = await secondsUntilHealed(look, 5);
    expect(healed).toEqual([{ runId: late.runId, pool: ALPHA, what: "entry_missing" }]);
    const [job] = await look.queues.queueOf(ALPHA).getDelayed();
    expect(job?.id).toBe(`${late.runId}-2`);
    // By Redis' time, which the test has moved on by a few seconds.
    expect(job?.delay).toBeGreaterThan(580_000);
    expect((await ledger.glance(late.runId))?.notBefore).toBeGreaterThan(Date.now() + 580_000);
  });

  test("a running run without a job", async () => {
    await using look = rig();
    await look.settle();
    const { claim } = await running(ledger);
    await age(claim);
    const { healed, seconds } = await secondsUntilHealed(look, 9);
    expect(healed).toEqual([{ runId: claim.runId, pool: ALPHA, what: "claim_lost" }]);
    expect(seconds).toBeGreaterThanOrEqual(LOCK_MS / 1_000);
    expect(seconds).toBeLessThanOrEqual(LOCK_MS / 1_000 + 3);
  });

  test("what stale jobs hide is found by the next round, a minute later", async () => {
    await using look = rig();
    for (let count = 0; count < 3; count += 1) await addStaleJob(look);
    await look.settle();
    const lost = await createQueued(ledger);
    await age(lost);
    for (let pass = 0; pass < 10; pass += 1) expect(await look.passAfter(1_000)).toEqual([]);
    const { healed } = await secondsUntilHealed(look, 60);
    expect(healed).toEqual([{ runId: lost.runId, pool: ALPHA, what: "entry_missing" }]);
  });

  test("an entry whose job has lost its hash is found by the next round, although its id is in the list", async () => {
    await using look = rig();
    const entry = await createQueued(ledger);
    await look.queues.enqueue(entry);
    await look.settle();
    await ledger.redis.del(look.queues.queueOf(ALPHA).toKey(`${entry.runId}-1`));
    const { healed } = await secondsUntilHealed(look, 70);
    expect(healed).toEqual([{ runId: entry.runId, pool: ALPHA, what: "entry_missing" }]);
  });

  test("what a clock that was set back makes of it: it is suspected anew, and healed by the new time", async () => {
    await using look = rig();
    const lost = await createQueued(ledger);
    await look.passAfter(0);
    expect(await look.passAfter(-1_000_000)).toEqual([]);
    const { healed, seconds } = await secondsUntilHealed(look, 5);
    expect(healed).toEqual([{ runId: lost.runId, pool: ALPHA, what: "entry_missing" }]);
    expect(seconds).toBeLessThanOrEqual(3);
  });
});

test("a paused queue's jobs are all there: nothing is missed while it is paused, and nothing when it goes on", async () => {
  await using look = rig();
  const queue = look.queues.queueOf(ALPHA);
  const before = await createQueued(ledger);
  await look.queues.enqueue(before);
  await queue.pause();
  await look.queues.enqueue(await createQueued(ledger));
  await look.queues.enqueue(await createQueued(ledger), { priority: 4 });
  for (const ms of [0, ADD_GRACE_MS, ADD_GRACE_MS, 61_000, ADD_GRACE_MS]) {
    expect(await look.passAfter(ms)).toEqual([]);
  }
  await queue.resume();
  for (const ms of [0, ADD_GRACE_MS, ADD_GRACE_MS]) expect(await look.passAfter(ms)).toEqual([]);
  expect(look.added()).toHaveLength(3);
});

test("a deficit that no missing entry explains is not swept for again and again", async () => {
  await using look = rig();
  await look.queues.enqueue(await createQueued(ledger));
  await look.settle();
  // Too high a count: it asks for a sweep, which finds nothing.
  await ledger.redis.hincrby(shardKeys(0).backlog, ALPHA, 3);
  const sweeps = async (passes: number): Promise<number> => {
    let count = 0;
    const { getRanges } = look.queues.queueOf(ALPHA);
    const queue = look.queues.queueOf(ALPHA);
    queue.getRanges = (types, from, to, asc) => {
      if (from === 0) count += 1;
      return getRanges.call(queue, types, from, to, asc);
    };
    for (let pass = 0; pass < passes; pass += 1) {
      await look.passAfter(100);
      // Something moves all the time, so that the count cannot be corrected.
      await createQueued(ledger, { pool: BETA }).then((entry) => look.queues.enqueue(entry));
    }
    queue.getRanges = getRanges;
    return count;
  };
  expect(await sweeps(40), "four seconds").toBe(1);
  // More is missing than then: at once.
  await look.queues.queueOf(ALPHA).obliterate({ force: true });
  const healed: Healed[] = [];
  for (let pass = 0; pass < 4; pass += 1) healed.push(...(await look.passAfter(500)));
  expect(healed.filter(({ what }) => what !== "backlog")).toMatchObject([{ what: "entry_missing" }]);
});
