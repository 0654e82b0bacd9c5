import { type RunId, runIdSchema } from "@baton/core";
import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { type Healed, readHealth } from "./heal-log.ts";
import { runKeys, shardKeys, spaceKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { spaceRunsKey } from "./spaces.ts";
import { dumpRedis } from "./testing/dump-redis.ts";
import {
  ALPHA,
  BETA,
  claimed,
  commitOf,
  createQueued,
  newOp,
  running,
  timePasses,
} from "./testing/make-run.ts";
import { ADD_GRACE_MS, openReconciler, type ReconcilerRig } from "./testing/reconciler-rig.ts";

const redis = useRedis();
const keys = shardKeys(0);
const { namespaces } = spaceKeys(0);
/** More passes than all walks of a small store take, and fewer than would bring the rest between two of them to an end. */
const PASSES = 12;
let ledger: Ledger;
beforeEach(() => {
  ledger = createLedger(redis.connect({ enableAutoPipelining: true }), { retentionMs: 0 });
});
const rig = () => openReconciler(redis.url, ledger);

async function passes(look: ReconcilerRig, count = PASSES): Promise<readonly Healed[]> {
  const healed: Healed[] = [];
  for (let pass = 0; pass < count; pass += 1) healed.push(...(await look.passAfter(1)));
  return healed;
}

/** One run of each status, all of them with what they must have in the queues. Some are of a namespace. */
async function oneOfEach(look: ReconcilerRig) {
  const queued = await createQueued(ledger, { timeoutMs: 600_000, namespace: "acme" });
  const later = await createQueued(ledger, { delayMs: 600_000 });
  const { claim: atWork } = await running(ledger, { timeoutMs: 600_000, namespace: "zeta" });
  const { claim: parked } = await running(ledger, { timeoutMs: 600_000 });
  await ledger.commit(parked, commitOf(1, { kind: "wait", reason: "approval" }));
  const { claim: failed } = await running(ledger);
  await ledger.commit(failed, commitOf(1, { kind: "failed", code: "refusal", message: "no" }));
  const { claim: done } = await running(ledger, { namespace: "acme" });
  await ledger.commit(done, commitOf(1, { kind: "succeeded" }));
  const cancelled = await createQueued(ledger);
  await ledger.cancel(cancelled.runId, newOp());
  for (const entry of [queued, atWork]) await look.queues.enqueue(entry);
  await look.queues.enqueue(later, { delayMs: 600_000 });
  return { queued, later, atWork, parked, failed, done, cancelled };
}

describe("an index that is out of step with the records is set right:", () => {
  /** What is done to the indexes, and what is told of it. The record of each run is as it was, before and after. */
  const faults: Readonly<
    Record<string, (runs: Awaited<ReturnType<typeof oneOfEach>>) => Promise<Readonly<Record<RunId, string>>>>
  > = {
    "a run in no index at all": async ({ queued }) => {
      await ledger.redis.zrem(keys.status, `live/${queued.runId}`);
      await ledger.redis.zrem(keys.live, queued.runId);
      await ledger.redis.zrem(keys.deadlines, queued.runId);
      return { [queued.runId]: "status+ live+ deadlines+" };
    },
    "a run under a second status, and one under another": async ({ queued, done }) => {
      await ledger.redis.zadd(keys.status, 0, `waiting/${queued.runId}`, 0, `failed/${done.runId}`);
      await ledger.redis.zrem(keys.status, `succeeded/${done.runId}`);
      return { [queued.runId]: "status-", [done.runId]: "status+ status-" };
    },
    "a running run that is not listed as such, and a queued one that is": async ({ queued, atWork }) => {
      await ledger.redis.zrem(keys.running, atWork.runId);
      await ledger.redis.zadd(keys.running, 1, queued.runId);
      return { [queued.runId]: "running-", [atWork.runId]: "running+" };
    },
    "ended and waiting runs among the live ones": async ({ done, parked }) => {
      await ledger.redis.zadd(keys.live, 1, done.runId, 2, parked.runId);
      return { [done.runId]: "live-", [parked.runId]: "live-" };
    },
    "deadlines: one lost, one of an ended run, one of another time": async ({ parked, done, atWork }) => {
      await ledger.redis.zrem(keys.deadlines, parked.runId);
      await ledger.redis.zadd(keys.deadlines, 9e12, done.runId, 9e12, atWork.runId);
      return { [parked.runId]: "deadlines+", [done.runId]: "deadlines-", [atWork.runId]: "deadlines~" };
    },
    "a run that its namespace's index has lost, with the name of the namespace": async ({ atWork }) => {
      await ledger.redis.del(spaceRunsKey(0, "zeta"), namespaces);
      return { [atWork.runId]: "space+ namespaces+" };
    },
    "runs in a namespace's index that are another's, nobody's, and of another group": async (runs) => {
      const { queued, parked, done } = runs;
      await ledger.redis.zadd(
        spaceRunsKey(0, "zeta"),
        0,
        `live/${queued.runId}`,
        0,
        `waiting/${parked.runId}`,
      );
      await ledger.redis.zadd(spaceRunsKey(0, "acme"), 0, `live/${done.runId}`, 0, "live/rubbish");
      return {
        [queued.runId]: "space-",
        [parked.runId]: "space-",
        [done.runId]: "space-",
        "": "space: no run id: live/rubbish",
      };
    },
    "a namespace of which nothing is left": async () => {
      await ledger.redis.sadd(namespaces, "nothing");
      return {};
    },
    "runs that are gone": async ({ atWork, done }) => {
      for (const { runId } of [atWork, done]) await ledger.redis.del(...Object.values(runKeys(runId)));
      return {};
    },
  };

  test.each(Object.entries(faults))("%s", async (_name, breakIndexes) => {
    await using look = rig();
    const runs = await oneOfEach(look);
    const before = await dumpRedis(ledger.redis);
    const expected = await breakIndexes(runs);
    const broken = await dumpRedis(ledger.redis);
    expect(broken).not.toEqual(before);
    const healed = await passes(look);
    const told = new Map<string, Set<string>>();
    for (const { what, runId = "", detail = "" } of healed) {
      expect(what).toBe("index");
      for (const one of detail.split(" ")) told.set(runId, (told.get(runId) ?? new Set()).add(one));
    }
    for (const [id, what] of Object.entries(expected))
      expect([...(told.get(id) ?? [])].sort()).toEqual(what.split(" ").sort());
    await expectIndexesRight();
    // And then all is well: nothing more is found, nor changed.
    const after = await dumpRedis(ledger.redis);
    await look.passAfter(30_000);
    expect(await passes(look)).toEqual([]);
    expect(await dumpRedis(ledger.redis)).toEqual(after);
  });

  /** Says what the indexes must hold from the records alone. */
  async function expectIndexesRight() {
    const [status, live, running, deadlines]: string[][] = [[], [], [], []];
    const spaces: Record<string, readonly string[]> = {};
    for (const key of await ledger.redis.keys("*:run:r_*")) {
      const id = runIdSchema.safeParse(key.slice(key.lastIndexOf(":") + 1)).data;
      if (id === undefined) continue;
      const { status: is = "", deadline = "", namespace = "" } = await ledger.redis.hgetall(key);
      const isLive = is === "queued" || is === "running";
      status?.push(`${isLive ? "live" : is}/${id}`);
      if (namespace !== "")
        spaces[namespace] = [...(spaces[namespace] ?? []), `${isLive ? "live" : is}/${id}`].sort();
      if (isLive) live?.push(id);
      if (is === "running") running?.push(id);
      if (deadline !== "" && (isLive || is === "waiting")) deadlines?.push(`${id} ${deadline}`);
    }
    const members = (key: string) => ledger.redis.zrange(key, "0", "-1");
    expect((await members(keys.status)).sort()).toEqual(status?.sort());
    const inSpaces = await Promise.all(
      (await ledger.namespaces()).map(async (name) => [name, (await members(spaceRunsKey(0, name))).sort()]),
    );
    expect(Object.fromEntries(inSpaces)).toEqual(spaces);
    expect((await members(keys.live)).sort()).toEqual(live?.sort());
    expect((await members(keys.running)).sort()).toEqual(running?.sort());
    const pairs = await ledger.redis.zrange(keys.deadlines, "0", "-1", "WITHSCORES");
    const times = pairs.flatMap((id, place) => (place % 2 === 0 ? [`${id} ${pairs[place + 1]}`] : []));
    expect(times.sort()).toEqual(deadlines?.sort());
  }
});

test("a run that was in no index, and whose job is gone, goes on", async () => {
  await using look = rig();
  await look.settle();
  const { runId } = await createQueued(ledger);
  await ledger.redis.zrem(keys.live, runId);
  await ledger.redis.zrem(keys.status, `live/${runId}`);
  const healed = [...(await passes(look)), ...(await look.passAfter(20_000)), ...(await passes(look))];
  healed.push(...(await look.passAfter(ADD_GRACE_MS)), ...(await look.passAfter(ADD_GRACE_MS)));
  expect(healed.map(({ what }) => what)).toEqual(["index", "entry_missing"]);
  expect(await look.queues.stateOf({ runId, ticket: 2, pool: ALPHA })).toBe("present");
});

describe("a backlog count that is wrong", () => {
  test.each([5, -1])(
    "by %i is corrected after two rounds that agree, and no healthy run is touched",
    async (off) => {
      await using look = rig();
      for (const pool of [ALPHA, ALPHA, BETA])
        await look.queues.enqueue(await createQueued(ledger, { pool }));
      await look.settle();
      await ledger.redis.hincrby(keys.backlog, ALPHA, off);
      const healed: Healed[] = [];
      for (let pass = 0; pass < 4; pass += 1) healed.push(...(await look.passAfter(61_000)));
      expect(healed).toEqual([{ what: "backlog", pool: ALPHA, detail: `${2 + off} instead of 2` }]);
      expect(await ledger.redis.hgetall(keys.backlog)).toEqual({ [ALPHA]: "2", [BETA]: "1" });
      expect(look.added()).toHaveLength(3);
    },
  );

  test("is left alone when `live` is what is wrong, however many rounds agree until that is found", async () => {
    await using look = rig();
    // So many that the walk along the records takes several passes.
    const entries = await Promise.all(Array.from({ length: 1_500 }, () => createQueued(ledger)));
    await Promise.all(entries.map((entry) => look.queues.enqueue(entry)));
    await look.settle();
    const lost = entries[700]?.runId ?? "";
    // Without a job too, so that the counts ask for one round after the other at once.
    await ledger.redis.zrem(keys.live, lost);
    await (await look.queues.queueOf(ALPHA).getJob(`${lost}-1`))?.remove();
    const healed: Healed[] = [];
    for (let pass = 0; pass < 20; pass += 1) healed.push(...(await look.passAfter(61_000)));
    expect(healed).toEqual([
      { what: "index", runId: lost, detail: "live+" },
      { what: "entry_missing", runId: lost, pool: ALPHA },
    ]);
    expect(await ledger.redis.hgetall(keys.backlog)).toEqual({ [ALPHA]: "1500" });
  });

  test("is left alone while runs move, because then a count tells nothing", async () => {
    await using look = rig();
    await look.settle();
    await ledger.redis.hset(keys.backlog, ALPHA, "7");
    for (let pass = 0; pass < 4; pass += 1) {
      const { runId } = await createQueued(ledger, { pool: BETA });
      // A run that entered behind the beginning of the round.
      await ledger.redis.zadd(keys.live, look.now + 100_000_000, runId);
      expect((await look.passAfter(61_000)).filter(({ what }) => what === "backlog")).toEqual([]);
    }
  });
});

describe("a deadline that has passed fails the run", () => {
  test("queued, delayed, running and waiting, and no other", async () => {
    await using look = rig();
    const { queued, atWork, parked } = await oneOfEach(look);
    const delayed = await createQueued(ledger, { delayMs: 600_000, timeoutMs: 1_200_000 });
    const inTime = await createQueued(ledger, { timeoutMs: 600_000 });
    for (const entry of [delayed, inTime]) await look.queues.enqueue(entry);
    const late = [queued, atWork, parked, delayed].map(({ runId }) => runId);
    for (const runId of late) await timePasses(ledger.redis, runId, "deadline");
    const healed = await look.passAfter(0);
    expect(healed.map(({ runId, what }) => `${runId} ${what}`).toSorted()).toEqual(
      late.map((runId) => `${runId} deadline`).toSorted(),
    );
    for (const runId of late) {
      expect((await ledger.read(runId))?.run).toMatchObject({
        status: "failed",
        error: { code: "deadline" },
      });
    }
    expect(await ledger.glance(inTime.runId)).toMatchObject({ status: "queued" });
    expect(await passes(look)).toEqual([]);
  });

  test("although the index of deadlines had lost it", async () => {
    await using look = rig();
    const { parked } = await oneOfEach(look);
    await ledger.redis.hset(runKeys(parked.runId).run, "deadline", "1");
    await ledger.redis.zrem(keys.deadlines, parked.runId);
    const healed = await passes(look);
    expect(healed.map(({ what }) => what)).toEqual(["index", "deadline"]);
    expect(await ledger.glance(parked.runId)).toMatchObject({ status: "failed" });
  });

  test("at the time that its record says, although the index says an earlier one", async () => {
    await using look = rig();
    const { parked } = await oneOfEach(look);
    await ledger.redis.zadd(keys.deadlines, 1, parked.runId);
    expect(await look.passAfter(0)).toEqual([{ what: "index", runId: parked.runId, detail: "deadlines~" }]);
    expect(await passes(look)).toEqual([]);
    expect(await ledger.glance(parked.runId)).toMatchObject({ status: "waiting" });
  });
});

describe("what cannot be read is told once, left alone, and keeps no other run from being healed:", () => {
  const garbage: Readonly<Record<string, (id: RunId) => Promise<unknown>>> = {
    "a status that there is not": (id) => ledger.redis.hset(runKeys(id).run, "status", "§§"),
    "a ticket that is no number": (id) => ledger.redis.hset(runKeys(id).run, "ticket", "many"),
    "a pool that is no model": (id) => ledger.redis.hset(runKeys(id).run, "pool", "no such thing"),
    "no hash at all": async (id) => {
      await ledger.redis.del(runKeys(id).run);
      await ledger.redis.set(runKeys(id).run, "x");
    },
    "fields without a status": (id) => ledger.redis.hdel(runKeys(id).run, "status"),
    "an epoch that is missing": (id) => ledger.redis.hdel(runKeys(id).run, "epoch"),
  };

  test.each(Object.entries(garbage))("%s", async (_name, spoil) => {
    await using look = rig();
    // In the way of every step: due, live, without a job.
    const bad = await createQueued(ledger, { timeoutMs: 600_000 });
    const late = await createQueued(ledger, { timeoutMs: 600_000 });
    const lost = await createQueued(ledger);
    await ledger.redis.hset(runKeys(bad.runId).run, "deadline", "1");
    await ledger.redis.zadd(keys.deadlines, 1, bad.runId);
    await spoil(bad.runId);
    await ledger.redis.hset(runKeys(late.runId).run, "deadline", "2");
    await ledger.redis.zadd(keys.deadlines, 2, late.runId);
    const before = await ledger.redis.dump(runKeys(bad.runId).run);
    const healed = [
      ...(await passes(look)),
      ...(await look.passAfter(ADD_GRACE_MS)),
      ...(await passes(look)),
    ];
    const told = (id: RunId) => healed.filter(({ runId }) => runId === id).map(({ what }) => what);
    expect(told(late.runId)).toEqual(["deadline"]);
    expect(told(lost.runId)).toEqual(["entry_missing"]);
    expect(told(bad.runId)).toEqual(["corrupt"]);
    expect(await ledger.redis.dump(runKeys(bad.runId).run)).toEqual(before);
  });

  test("members of the indexes that are no runs go", async () => {
    await using look = rig();
    const lost = await createQueued(ledger);
    for (const key of [keys.live, keys.status, keys.running, keys.deadlines, keys.expiries])
      await ledger.redis.zadd(key, 1, "rubbish", 2, "live/rubbish");
    const healed = [...(await passes(look)), ...(await look.passAfter(ADD_GRACE_MS))];
    expect(healed.filter(({ what }) => what === "entry_missing")).toMatchObject([{ runId: lost.runId }]);
    for (const key of [keys.live, keys.status, keys.running, keys.deadlines, keys.expiries])
      expect((await ledger.redis.zrange(key, "0", "-1")).filter((one) => one.includes("rubbish"))).toEqual(
        [],
      );
  });
});

test("what was healed can be read: how often, the latest, by whom, and when the last pass was", async () => {
  await using look = rig();
  expect(await readHealth(ledger.redis)).toEqual({
    leader: undefined,
    lastPass: undefined,
    healed: {},
    latest: [],
  });
  const leader = look.make("chief");
  const lost = await createQueued(ledger);
  const late = await createQueued(ledger, { timeoutMs: 600_000 });
  await timePasses(ledger.redis, late.runId, "deadline");
  await leader.turn();
  await leader.pass(look.now + ADD_GRACE_MS + 1_000);
  const health = await readHealth(ledger.redis);
  expect(health.leader).toEqual({ id: "chief", host: "test" });
  expect(health.lastPass?.at).toBe(look.now + ADD_GRACE_MS + 1_000);
  expect(health.lastPass?.ms).toBeGreaterThanOrEqual(0);
  expect(health.healed).toEqual({ deadline: 1, entry_missing: 1 });
  expect(health.latest).toMatchObject([
    { what: "entry_missing", runId: lost.runId, pool: ALPHA },
    { what: "deadline", runId: late.runId, pool: ALPHA },
  ]);
  expect(Math.abs((health.latest[0]?.at ?? 0) - Date.now())).toBeLessThan(60_000);
  await leader.release();
  expect((await readHealth(ledger.redis)).leader).toBeUndefined();
});

test("only the one that leads makes passes; another takes over when the lead is given back", async () => {
  await using look = rig();
  const [one, two] = [look.make("one"), look.make("two")];
  expect(await one.turn()).toBeDefined();
  expect(await two.turn()).toBeUndefined();
  await one.release();
  expect(await two.turn()).toBeDefined();
  expect(await one.turn()).toBeUndefined();
});

test("a step that fails keeps no other from its turn, and is told", async () => {
  await using look = rig();
  const late = await createQueued(ledger, { timeoutMs: 600_000 });
  await timePasses(ledger.redis, late.runId, "deadline");
  // A backlog that is no hash breaks the comparison of counts.
  await ledger.redis.del(keys.expiries);
  await ledger.redis.set(keys.expiries, "x");
  await ledger.redis.del(keys.running);
  await expect(look.passAfter(0)).rejects.toThrow("1 steps of a pass failed");
  expect(await ledger.glance(late.runId)).toMatchObject({ status: "failed" });
  await ledger.redis.del(keys.expiries);
  expect(await look.passAfter(0)).toEqual([]);
  await claimed(ledger, await createQueued(ledger));
});
