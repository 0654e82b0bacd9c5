import { newBatchRunId } from "@baton/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { agreeOnKeys, readStoreKeys } from "./agree-on-keys.ts";
import { openApiKeys } from "./api-keys.ts";
import { admissionKeys, reconcilerKeys, runKeys, shardKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { scriptNames } from "./scripts.ts";
import { type AskRoom, NO_ROOM } from "./space-room.ts";
import { spaceRunsKey } from "./spaces.ts";
import {
  ALPHA,
  BEAT,
  BETA,
  claimEntry,
  claimed,
  commitOf,
  createQueued,
  draft,
  itemAt,
  newOp,
  running,
  systemIds,
  timePasses,
} from "./testing/make-run.ts";
import { sendTwice, type Twice } from "./testing/send-twice.ts";
import { CLEAR_AND_ENCRYPTED, testCipher } from "./testing/test-cipher.ts";
import type { Outcome } from "./write-claim.ts";

const redis = useRedis();
const RETENTION_MS = 3_600_000;
const sentTwice = new Set<string>();

describe.each(CLEAR_AND_ENCRYPTED)(
  "a script that is sent twice has the effect of once, and its second reply is as good (R1; %s)",
  (_how, cipher) => {
    let twice: Twice;
    let ledger: Ledger;

    beforeEach(() => {
      const connection = redis.connect();
      twice = sendTwice(connection);
      ledger = createLedger(connection, { retentionMs: RETENTION_MS, cipher }, twice.run);
    });

    afterEach(() => {
      expect(twice.sent.length).toBeGreaterThan(0);
      for (const { name, afterOnce, afterTwice } of twice.sent) {
        sentTwice.add(name);
        expect(afterTwice, `after ${name} was sent twice`).toEqual(afterOnce);
      }
    });

    test("create without an idempotency key", async () => {
      const run = draft({
        delayMs: 60_000,
        timeoutMs: 60_000,
        needs: ["server:x"],
        items: [itemAt(0), itemAt(1)],
      });
      expect(await ledger.create(run)).toEqual({
        kind: "exists",
        entry: { runId: run.id, ticket: 1, pool: ALPHA },
      });
      expect(await ledger.conversation(run.id)).toHaveLength(2);
    });

    test("create with an idempotency key", async () => {
      const run = draft({ idempotencyKey: "k", namespace: "acme" });
      expect(await ledger.create(run)).toEqual({
        kind: "exists",
        entry: { runId: run.id, ticket: 1, pool: ALPHA },
      });
    });

    test("claim, first and as a takeover: the same epoch, and one attempt more", async () => {
      const entry = await createQueued(ledger, { timeoutMs: 60_000 });
      expect(await claimed(ledger, entry)).toMatchObject({ claim: { epoch: 2 }, takeover: false });
      expect(await claimed(ledger, entry)).toMatchObject({ claim: { epoch: 3 } });
      expect((await ledger.read(entry.runId))?.run).toMatchObject({
        takeovers: 1,
        phases: [{ attempts: 2 }],
      });
    });

    test.each(["deadline", "needs", "unfit", "pausing", "poison"] as const)(
      "claim that is refused (%s)",
      async (why) => {
        const entry = await createQueued(ledger, {
          timeoutMs: 60_000,
          needs: why === "needs" || why === "unfit" ? ["server:x"] : [],
        });
        if (why === "deadline") await timePasses(ledger.redis, entry.runId, "deadline");
        if (why === "pausing" || why === "poison") await claimed(ledger, entry);
        if (why === "pausing") await ledger.pause(entry.runId, newOp());
        const reply = await claimEntry(ledger, entry, {
          unfitGraceMs: why === "needs" ? 0 : 60_000,
          takeoversMax: 0,
        });
        // The second reply to a claim that ended or parked its run names the status that the first one made.
        expect(reply).toEqual(
          {
            deadline: { kind: "finished", why: "failed" },
            needs: { kind: "finished", why: "failed" },
            unfit: { kind: "unfit", missing: ["server:x"] },
            pausing: { kind: "finished", why: "waiting" },
            poison: { kind: "finished", why: "failed" },
          }[why],
        );
      },
    );

    test("append of items, of a turn with its usage and what it spent, and of their events", async () => {
      const { claim } = await running(ledger, { namespace: "acme" });
      const phaseUsage = {
        inputTokens: 7,
        cachedInputTokens: 0,
        cacheWriteTokens: 0,
        outputTokens: 3,
        reasoningTokens: 0,
        costUsd: 0.001,
      };
      const reply = await ledger.append(claim, {
        length: 1,
        items: [itemAt(1), itemAt(2)],
        turn: { phaseUsage, spend: { namespace: "acme", tokens: 10, costUsd: 0.001 } },
        events: [{ type: "notice", epoch: 2, phase: 0, code: "c", message: "m" }],
      });
      expect(reply).toEqual({ kind: "duplicate", length: 3, pausing: false });
      const { costUsd, ...usage } = phaseUsage;
      expect((await ledger.read(claim.runId))?.run).toMatchObject({ items: 3, turns: 1, usage, costUsd });
    });

    const outcomes: readonly Outcome[] = [
      { kind: "handoff", pool: BETA },
      { kind: "requeue", delayMs: 0, tries: { failures: 1, rateLimits: 0 } },
      { kind: "requeue", delayMs: 60_000, tries: { failures: 2, rateLimits: 0 } },
      { kind: "wait", reason: "approval" },
      { kind: "succeeded" },
      { kind: "failed", code: "refusal", message: "no" },
    ];
    test.each(outcomes)("commit with $kind", async (outcome) => {
      const { claim } = await running(ledger);
      const reply = await ledger.commit(claim, commitOf(1, outcome, [itemAt(1)]));
      const queued = outcome.kind === "handoff" || outcome.kind === "requeue";
      const pool = outcome.kind === "handoff" ? BETA : ALPHA;
      expect(reply).toMatchObject({
        kind: "duplicate",
        entry: queued ? { runId: claim.runId, ticket: 2, pool } : undefined,
      });
      expect(await ledger.conversation(claim.runId)).toHaveLength(2);
    });

    test("commit of a handoff while a pause was asked for", async () => {
      const { claim } = await running(ledger);
      await ledger.pause(claim.runId, newOp());
      const reply = await ledger.commit(claim, commitOf(1, { kind: "handoff", pool: BETA }));
      expect(reply).toMatchObject({ kind: "duplicate", status: "waiting", entry: undefined });
    });

    test("requeue of a queued and of a running run", async () => {
      const { claim } = await running(ledger);
      const seen = { ...claim, status: "running" as const };
      expect(await ledger.requeue(claim.runId, newOp(), seen)).toMatchObject({
        kind: "done",
        entry: { ticket: 2 },
      });
      const again = { status: "queued" as const, ticket: 2, epoch: 3, claimId: "" };
      expect(await ledger.requeue(claim.runId, newOp(), again)).toMatchObject({
        kind: "done",
        entry: { ticket: 3 },
      });
    });

    test("cancel, retry, pause and resume of a queued run", async () => {
      const entry = await createQueued(ledger, { timeoutMs: 60_000 });
      const id = entry.runId;
      expect(await ledger.pause(id, newOp())).toMatchObject({ kind: "done" });
      expect(await ledger.resume(id, newOp())).toMatchObject({ kind: "done", entry: { ticket: 3 } });
      expect(await ledger.cancel(id, newOp())).toMatchObject({ kind: "done" });
      const retry = { op: newOp(), epoch: 4, length: 1, timeoutMs: 60_000, items: [itemAt(1)] };
      expect(await ledger.retry(id, retry)).toMatchObject({ kind: "done", entry: { ticket: 5 } });
      await ledger.cancel(id, newOp());
      const other = { op: newOp(), epoch: 6, length: 2, timeoutMs: 0, items: [itemAt(2)], pool: BETA };
      expect(await ledger.retry(id, other)).toMatchObject({ kind: "done", entry: { ticket: 7, pool: BETA } });
    });

    test("pause and resume of a running run", async () => {
      const { claim } = await running(ledger);
      expect(await ledger.pause(claim.runId, newOp())).toMatchObject({ kind: "done" });
      expect(await ledger.resume(claim.runId, newOp())).toMatchObject({ kind: "done", entry: undefined });
      expect((await ledger.read(claim.runId))?.run).toMatchObject({ status: "running", pausing: false });
    });

    test("expire, before and after the deadline", async () => {
      const entry = await createQueued(ledger, { timeoutMs: 60_000 });
      expect(await ledger.expire(entry.runId)).toEqual({ kind: "refused", status: "early" });
      await timePasses(ledger.redis, entry.runId, "deadline");
      expect(await ledger.expire(entry.runId)).toEqual({ kind: "refused", status: "terminal" });
      expect((await ledger.read(entry.runId))?.run).toMatchObject({
        status: "failed",
        error: { code: "deadline" },
      });
    });

    test("create of a run that waits for its admission, its pause, its end, and the feed of others", async () => {
      await ledger.openBatch({ id: "b", weight: 2, budget: { usd: 1 } });
      const [first, second, third] = [0, 1, 2].map((line) =>
        draft({
          id: newBatchRunId(0, { at: systemIds.now(), line }, systemIds),
          batch: { id: "b", customId: `line-${line}` },
          admit: true,
        }),
      );
      if (first === undefined || second === undefined || third === undefined) throw new Error("three runs");
      const later = draft({ batch: { id: "b", customId: "later" }, admit: true, delayMs: 60_000 });
      for (const run of [first, second, third, later]) {
        const entry = { runId: run.id, ticket: 0, pool: ALPHA };
        expect(await ledger.create(run)).toEqual({ kind: "exists", entry });
      }
      const feed = (window: number, check = "") =>
        twice.run("feed", [admissionKeys(0).admission], [ALPHA, String(window), "0", "10", check]);
      // What the first sending has admitted fills the window of the second.
      expect(await feed(1)).toEqual(["fed", 3, "full", 0]);
      expect(await ledger.pause(second.id, newOp())).toMatchObject({ kind: "done" });
      const resumed = { kind: "done", entry: { runId: second.id, ticket: 0 } };
      expect(await ledger.resume(second.id, newOp())).toMatchObject(resumed);
      await ledger.cancel(third.id, newOp());
      const retry = { op: newOp(), epoch: 2, length: 1, timeoutMs: 0, items: [itemAt(1)] };
      expect(await ledger.retry(third.id, retry)).toMatchObject({ kind: "done", entry: { ticket: 0 } });
      const seen = { status: "queued" as const, ticket: 0, epoch: 1, claimId: "" };
      expect(await ledger.requeue(later.id, newOp(), seen)).toEqual({ kind: "refused", status: "queued" });
      expect((await feed(10, "1")).slice(0, 3)).toEqual(["fed", 1, "asleep"]);
      await claimed(ledger, { runId: first.id, ticket: 1, pool: ALPHA });
      await ledger.cancel(later.id, newOp());
      expect((await feed(10)).slice(0, 3)).toEqual(["fed", 0, "asleep"]);
      expect(await ledger.batchPools("b")).toEqual(new Map([[ALPHA, 3]]));
    });

    test("reserve, late, lease, settle, learn, cut and headroom", async () => {
      const pool = { account: "acme", model: "m" };
      const amounts = { requests: 1, tokens: 9, inputTokens: 9, outputTokens: 0 };
      const booking = { ...pool, call: "c1", windowMs: 600_000, amounts };
      const limits = {
        accountLimits: { tokens: 90 },
        poolLimits: {},
        concurrent: 1,
        bookMs: 0,
        leaseMs: 9_000,
      };
      expect(await ledger.reserve({ ...booking, ...limits })).toMatchObject({ kind: "granted" });
      await ledger.moveCall(booking);
      await ledger.renewCalls("acme", 9_000, ["c1"]);
      expect((await ledger.limits(600_000))[0]?.tokens.used).toBe(9);
      await ledger.settle({ ...booking, amounts: { ...amounts, tokens: 5 } });
      await ledger.learnLimits({ ...booking, report: { tokens: { limit: 50 } } });
      await ledger.cutLimits("acme/m", 600_000);
      const [, ofModel] = await ledger.limits(600_000);
      expect(ofModel).toMatchObject({ name: "acme/m", tokens: { limit: 25, used: 5 } });
    });

    test("batch, settings, hold, beat, publish and read", async () => {
      const { claim } = await running(ledger);
      await ledger.setBatchBudget("nightly", { tokens: 7, usd: 0.5 });
      expect((await ledger.batch("nightly")).budget).toEqual({ tokens: 7, usd: 0.5 });
      await ledger.sealBatch("nightly", 3);
      expect((await ledger.batchPage("nightly", { limit: 9 })).ids).toEqual([]);
      expect((await ledger.newest({ limit: 9 })).ids).toEqual([claim.runId]);
      await ledger.setPool(BETA, { rpm: 7 });
      await ledger.hold(BETA, { kind: "paused" });
      expect([...(await ledger.beat(BEAT, [claim])).holds]).toEqual([[BETA, Number.POSITIVE_INFINITY]]);
      await ledger.release(BETA);
      expect((await ledger.beat(BEAT, [claim])).lost).toEqual([]);
      await ledger.publish([{ claim, events: [{ type: "text", epoch: 2, phase: 0, text: "x" }] }]);
    });

    test("the agreement on encryption keys", async () => {
      await agreeOnKeys(ledger.redis, testCipher("k1"), twice.run);
      await agreeOnKeys(ledger.redis, testCipher("k2", "k1"), twice.run);
      expect((await readStoreKeys(ledger.redis)).map(({ id }) => id).toSorted()).toEqual(["k1", "k2"]);
    });

    test("keys of the API, and requests that are counted", async () => {
      const keys = openApiKeys(ledger.redis, systemIds, twice.run);
      const { record } = await keys.create({ name: "a", scopes: ["read"] });
      expect((await keys.read())?.keys.get(record.id)).toEqual(record);
      expect(await keys.take(record.id, 2)).toMatchObject({ isTaken: true, left: 1 });
      expect(await keys.take(record.id, 2)).toMatchObject({ isTaken: true, left: 0 });
      expect(await keys.take(record.id, 2)).toMatchObject({ isTaken: false, left: 0 });
      await keys.revoke(record.id);
      await keys.revokeAll();
    });

    test("room that is set aside is so once, and behind who asked before", async () => {
      const [first, second] = ["a", "b"].map((holder) => ({ namespace: "acme", holder, runs: 3 })) as [
        AskRoom,
        AskRoom,
      ];
      expect(await ledger.askRoom(first)).toMatchObject({ before: 0 });
      expect(await ledger.askRoom(second)).toMatchObject({ before: 3 });
      expect(await ledger.keepRoom({ ...first, runs: 1 })).toMatchObject({ before: 0 });
      expect(await ledger.keepRoom(second)).toMatchObject({ before: 1 });
      await ledger.leaveRoom(first);
      expect(await ledger.keepRoom(second)).toMatchObject({ before: 0 });
      expect(await ledger.keepRoom(first)).toBeUndefined();
    });

    test("create and retry that have an end, before it", async () => {
      const run = draft({ namespace: "acme" });
      expect(await ledger.createUntil(run, Date.now() + 60_000)).toMatchObject({ kind: "exists" });
      await ledger.cancel(run.id, newOp());
      const { epoch = 0 } = (await ledger.read(run.id))?.run ?? {};
      const retry = { op: newOp(), epoch, length: 1, timeoutMs: 0, items: [] };
      expect(await ledger.retryUntil(run.id, retry, NO_ROOM)).toEqual({ kind: "late" });
      expect(await ledger.retryUntil(run.id, retry, Date.now() + 60_000)).toMatchObject({ did: "duplicate" });
      expect(await ledger.countLive("acme")).toBe(1);
    });

    test("lead, glance, audit, recount, forget and space", async () => {
      const { claim } = await running(ledger, { timeoutMs: 60_000, namespace: "acme" });
      const { expiries, live, running: index, backlog } = shardKeys(0);
      const key = runKeys(claim.runId).run;
      for (const lease of ["60000", "0"]) await twice.run("lead", [reconcilerKeys(0).leader], ["w1", lease]);
      expect(await twice.run("glance", [key], ["status"])).toEqual([["running"]]);
      await ledger.redis.zrem(live, claim.runId);
      await ledger.redis.zrem(index, claim.runId);
      await ledger.redis.del(spaceRunsKey(0, "acme"));
      expect(await twice.run("audit", [key], ["repair", "", "failed"])).toEqual([]);
      expect(await ledger.countSpace("acme")).toMatchObject({ live: 1 });
      expect(await twice.run("recount", [backlog], [ALPHA, "1", "5"])).toEqual(["moved"]);
      await ledger.cancel(claim.runId, newOp());
      expect(await ledger.redis.zcard(expiries)).toBe(1);
      // It has time left; then it is gone.
      expect(await twice.run("forget", [key], ["0", "", "acme"])).toEqual([0]);
      expect(await ledger.dropSpace("acme")).toBe(false);
      await ledger.redis.del(key);
      await twice.run("forget", [key], ["0", "", "acme"]);
      expect(await ledger.dropSpace("acme")).toBe(true);
      expect(await ledger.redis.zcard(expiries)).toBe(0);
    });
  },
);

test("all scripts were sent twice above", () => {
  expect([...sentTwice].toSorted()).toEqual([...scriptNames()].toSorted());
});
