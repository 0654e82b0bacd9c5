/** A bound of live runs that many hold at once, in several shards: it is never passed, and what is free is found. */
import { newRunId, type RunId } from "@baton/core";
import { beforeEach, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { NO_ROOM, ROOM_LEASE_MS } from "./space-room.ts";
import { spaceRoomKey } from "./spaces.ts";
import { claimed, commitOf, createQueued, draft, newOp, systemIds } from "./testing/make-run.ts";

const redis = useRedis();
const SHARDS = 3;
let ledger: Ledger;
beforeEach(async () => {
  ledger = createLedger(redis.connect(), { retentionMs: 0, shards: SHARDS });
  await ledger.redis.flushall();
});

const ask = (holder: string, runs = 1, namespace = "acme") => ({ holder, runs, namespace });
const idIn = (shard: number): RunId => newRunId(shard, systemIds);

test("counts what has not ended, in all shards", async () => {
  const queued = await createQueued(ledger, { id: idIn(0), namespace: "acme" });
  const waiting = await createQueued(ledger, { id: idIn(1), namespace: "acme" });
  const { claim } = await claimed(ledger, waiting);
  await ledger.commit(claim, commitOf(1, { kind: "wait", reason: "approval" }));
  await createQueued(ledger, { id: idIn(2), namespace: "other" });
  expect(await ledger.countLive("acme")).toBe(2);
  await ledger.cancel(queued.runId, newOp());
  expect(await ledger.countLive("acme")).toBe(1);
});

test("who asks is told what was asked for before, and not what comes behind", async () => {
  expect((await ledger.askRoom(ask("a", 5))).before).toBe(0);
  expect((await ledger.askRoom(ask("b", 7))).before).toBe(5);
  expect((await ledger.askRoom(ask("c"))).before).toBe(12);
  expect((await ledger.askRoom(ask("c", 1, "other"))).before).toBe(0);
  expect((await ledger.keepRoom(ask("b", 2)))?.before).toBe(5);
  expect((await ledger.keepRoom(ask("c")))?.before).toBe(7);
  // Those behind have counted it by less.
  expect((await ledger.keepRoom(ask("b", 90)))?.before).toBe(5);
  expect((await ledger.keepRoom(ask("c")))?.before).toBe(7);
  await ledger.leaveRoom(ask("a"));
  expect((await ledger.askRoom(ask("a", 1))).before).toBe(3);
});

test("room is free again when its lease is over, and is told to be gone", async () => {
  await ledger.askRoom(ask("dead", 5));
  const key = spaceRoomKey("acme");
  expect(await ledger.redis.pttl(key)).toBeGreaterThan(ROOM_LEASE_MS - 5_000);
  const [number, runs] = String(await ledger.redis.hget(key, "dead")).split(" ");
  await ledger.redis.hset(key, "dead", `${number} ${runs} ${Date.now() - 1}`);
  expect((await ledger.askRoom(ask("next"))).before).toBe(0);
  expect(await ledger.keepRoom(ask("dead", 5))).toBeUndefined();
  expect(await ledger.redis.hkeys(key)).toEqual(["last", "next"]);
});

test("a run is made and woken before the end alone that was told, and found at any time", async () => {
  const { until: end } = await ledger.askRoom(ask("a"));
  expect(end).toBeGreaterThan(Date.now());
  expect(end).toBeLessThan(Date.now() + ROOM_LEASE_MS);
  const late = draft({ id: idIn(2), namespace: "acme", idempotencyKey: "k" });
  expect(await ledger.createUntil(late, NO_ROOM)).toEqual({ kind: "late" });
  expect(await ledger.read(late.id)).toBeUndefined();
  expect(await ledger.createUntil(late, end)).toMatchObject({ kind: "created" });
  expect(await ledger.createUntil(late, NO_ROOM)).toMatchObject({ kind: "exists" });
  await ledger.cancel(late.id, newOp());
  const { epoch = 0 } = (await ledger.read(late.id))?.run ?? {};
  const retry = { op: newOp(), epoch, length: 1, timeoutMs: 0, items: [] };
  expect(await ledger.retryUntil(late.id, retry, NO_ROOM)).toEqual({ kind: "late" });
  expect(await ledger.retryUntil(late.id, retry, end)).toMatchObject({ kind: "done" });
  expect(await ledger.retryUntil(late.id, { ...retry, op: newOp() }, NO_ROOM)).toMatchObject({
    kind: "refused",
  });
});

test("of many who keep to the order, as many get in as may, over all shards", async () => {
  const MAX = 20;
  let most = 0;
  const makeOne = async (place: number): Promise<boolean> => {
    const own = ask(`h${place}`);
    let held = await ledger.askRoom(own);
    for (;;) {
      const live = await ledger.countLive("acme");
      most = Math.max(most, live);
      const fits = live + held.before + 1 <= MAX;
      if (fits) {
        const run = draft({ id: idIn(place % SHARDS), namespace: "acme" });
        expect(await ledger.createUntil(run, held.until)).toMatchObject({ kind: "created" });
      }
      if (fits || live + 1 > MAX) {
        await ledger.leaveRoom(own);
        return fits;
      }
      const next = await ledger.keepRoom(own);
      if (next === undefined) throw new Error("the lease was over");
      held = next;
    }
  };
  const made = await Promise.all(Array.from({ length: 90 }, (_, place) => makeOne(place)));
  expect(made.filter(Boolean)).toHaveLength(MAX);
  expect(most).toBeLessThanOrEqual(MAX);
  expect(await ledger.redis.hkeys(spaceRoomKey("acme"))).toEqual(["last"]);
});
