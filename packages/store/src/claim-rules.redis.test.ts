import { newClaimId, withoutInput } from "@baton/core";
import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { type ClaimReading, claimRun, SCHEMA_VERSION, SpecCache } from "./claim-run.ts";
import { plainCodec } from "./codec.ts";
import { ConversationCache, type KeptConversation } from "./conversation-cache.ts";
import type { QueueEntry } from "./create-run.ts";
import { runKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { defineScripts } from "./scripts.ts";
import { dumpRedis } from "./testing/dump-redis.ts";
import {
  ALPHA,
  BETA,
  claimEntry,
  claimed,
  commitOf,
  createQueued,
  draft,
  itemAt,
  newOp,
  running,
  specOf,
  systemIds,
  timePasses,
} from "./testing/make-run.ts";

const redis = useRedis();
let ledger: Ledger;
beforeEach(() => {
  ledger = createLedger(redis.connect(), { retentionMs: 0 });
});

/** The reply to a claim that must leave everything as it was. */
async function claimWithoutEffect(...args: Parameters<typeof claimEntry>) {
  const before = await dumpRedis(ledger.redis);
  const reply = await claimEntry(...args);
  expect(await dumpRedis(ledger.redis)).toEqual(before);
  return reply;
}

describe("a job is judged by its run (§5):", () => {
  test("a job of no run is finished", async () => {
    const entry = { runId: draft().id, ticket: 1, pool: ALPHA };
    expect(await claimWithoutEffect(ledger, entry)).toEqual({ kind: "finished", why: "gone" });
  });

  test("a job behind its run is finished, queued or running", async () => {
    const { claim } = await running(ledger);
    await ledger.commit(
      claim,
      commitOf(1, { kind: "requeue", delayMs: 0, tries: { failures: 0, rateLimits: 0 } }),
    );
    expect(await claimWithoutEffect(ledger, claim)).toEqual({ kind: "finished", why: "behind" });
    await claimed(ledger, { ...claim, ticket: 2 });
    expect(await claimWithoutEffect(ledger, claim)).toEqual({ kind: "finished", why: "behind" });
  });

  test("a job ahead of its run is put back, whatever pool it is in", async () => {
    const { claim } = await running(ledger);
    for (const pool of [ALPHA, BETA]) {
      const entry = { ...claim, ticket: 2, pool };
      expect(await claimWithoutEffect(ledger, entry)).toEqual({ kind: "ahead" });
    }
  });

  test("a job of the right ticket in the wrong pool is finished", async () => {
    const entry = await createQueued(ledger);
    const misplaced = { ...entry, pool: BETA };
    expect(await claimWithoutEffect(ledger, misplaced)).toEqual({ kind: "finished", why: "misplaced" });
  });

  test.each(["succeeded", "failed", "cancelled", "waiting"] as const)(
    "a job of a run that is %s is finished, even when it is ahead",
    async (status) => {
      const { claim } = await running(ledger);
      if (status === "cancelled") await ledger.cancel(claim.runId, newOp());
      if (status === "succeeded") await ledger.commit(claim, commitOf(1, { kind: "succeeded" }));
      if (status === "failed") {
        await ledger.commit(claim, commitOf(1, { kind: "failed", code: "refusal", message: "" }));
      }
      if (status === "waiting") await ledger.commit(claim, commitOf(1, { kind: "wait", reason: "budget" }));
      for (const ticket of [1, 2]) {
        const reply = await claimWithoutEffect(ledger, { ...claim, ticket });
        expect(reply).toEqual({ kind: "finished", why: status });
      }
    },
  );
});

describe("time:", () => {
  test("before notBefore a claim is early and told how long to wait; after it, it takes the run", async () => {
    const entry = await createQueued(ledger, { delayMs: 60_000 });
    const early = await claimWithoutEffect(ledger, entry);
    if (early.kind !== "early") throw new Error(`expected early, got ${early.kind}`);
    expect(early.waitMs).toBeGreaterThan(50_000);
    expect(early.waitMs).toBeLessThanOrEqual(60_000);
    await timePasses(ledger.redis, entry.runId, "not_before");
    await claimed(ledger, entry);
    expect((await ledger.read(entry.runId))?.run).not.toHaveProperty("notBefore");
  });

  test.each(["queued", "running"] as const)(
    "a claim past the deadline fails the %s run instead",
    async (status) => {
      const entry = await createQueued(ledger, { timeoutMs: 60_000 });
      if (status === "running") await claimed(ledger, entry);
      await timePasses(ledger.redis, entry.runId, "deadline");
      expect(await claimEntry(ledger, entry)).toEqual({ kind: "finished", why: "deadline" });
      expect((await ledger.read(entry.runId))?.run).toMatchObject({
        status: "failed",
        error: { code: "deadline" },
      });
    },
  );
});

describe("what a worker lacks:", () => {
  const needs = ["function:f", "server:s"];

  test("a run is left to others, and the run says what is missing", async () => {
    const entry = await createQueued(ledger, { needs });
    expect(await claimEntry(ledger, entry, { capabilities: new Set(["server:s", "function:ff"]) })).toEqual({
      kind: "unfit",
      missing: ["function:f"],
    });
    expect((await ledger.read(entry.runId))?.run).toMatchObject({
      status: "queued",
      epoch: 1,
      missing: ["function:f"],
    });
  });

  test("a worker that has all of it takes the run, and nothing is missing any more", async () => {
    const entry = await createQueued(ledger, { needs });
    await claimEntry(ledger, entry);
    await claimed(ledger, entry, { capabilities: new Set(needs) });
    await ledger.commit(
      (await claimed(ledger, entry, { capabilities: new Set(needs) })).claim,
      commitOf(1, { kind: "requeue", delayMs: 0, tries: { failures: 0, rateLimits: 0 } }),
    );
    expect((await ledger.read(entry.runId))?.run).not.toHaveProperty("missing");
  });

  test("when the grace is over, counted from the first miss, the run fails with config_missing", async () => {
    const entry = await createQueued(ledger, { needs });
    await claimEntry(ledger, entry, { unfitGraceMs: 60_000 });
    expect(await claimEntry(ledger, entry, { unfitGraceMs: 60_000 })).toMatchObject({ kind: "unfit" });
    await ledger.redis.hset(runKeys(entry.runId).run, "unfit_since", "1");
    const reply = await claimEntry(ledger, entry, { unfitGraceMs: 60_000 });
    expect(reply).toEqual({ kind: "finished", why: "config_missing" });
    expect((await ledger.read(entry.runId))?.run).toMatchObject({
      status: "failed",
      error: { code: "config_missing", message: expect.stringContaining("function:f, server:s") },
    });
  });

  test("a record of a newer schema is left to newer workers", async () => {
    const entry = await createQueued(ledger);
    await ledger.redis.hset(runKeys(entry.runId).run, "v", String(SCHEMA_VERSION + 1));
    expect(await claimEntry(ledger, entry)).toEqual({
      kind: "unfit",
      missing: [`schema:${SCHEMA_VERSION + 1}`],
    });
    await ledger.redis.hset(runKeys(entry.runId).run, "unfit_since", "1");
    expect(await claimEntry(ledger, entry)).toMatchObject({ kind: "finished", why: "config_missing" });
  });
});

describe("takeovers:", () => {
  test("a phase that is taken over too often without a new item is poison", async () => {
    const entry = await createQueued(ledger);
    await claimed(ledger, entry, { takeoversMax: 2 });
    expect(await claimed(ledger, entry, { takeoversMax: 2 })).toMatchObject({ takeover: true });
    await claimed(ledger, entry, { takeoversMax: 2 });
    expect(await claimEntry(ledger, entry, { takeoversMax: 2 })).toEqual({
      kind: "finished",
      why: "poison",
    });
    expect((await ledger.read(entry.runId))?.run).toMatchObject({
      status: "failed",
      takeovers: 2,
      error: { code: "poison" },
    });
  });

  test("a new item starts the count again, whether it was appended or came with a commit", async () => {
    const entry = await createQueued(ledger);
    await claimed(ledger, entry, { takeoversMax: 1 });
    const second = await claimed(ledger, entry, { takeoversMax: 1 });
    await ledger.append(second.claim, { length: 1, items: [itemAt(1)], events: [] });
    const third = await claimed(ledger, entry, { takeoversMax: 1 });
    const requeue = { kind: "requeue", delayMs: 0, tries: { failures: 0, rateLimits: 0 } } as const;
    await ledger.commit(third.claim, commitOf(2, requeue, [itemAt(2)]));
    const next = { ...entry, ticket: 2 };
    expect(await claimed(ledger, next, { takeoversMax: 1 })).toMatchObject({ takeover: false });
    expect(await claimed(ledger, next, { takeoversMax: 1 })).toMatchObject({ takeover: true });
  });

  test("the next phase starts the count again", async () => {
    const entry = await createQueued(ledger);
    await claimed(ledger, entry, { takeoversMax: 1 });
    const { claim } = await claimed(ledger, entry, { takeoversMax: 1 });
    await ledger.commit(claim, commitOf(1, { kind: "handoff", pool: BETA }));
    const next = { ...entry, ticket: 2, pool: BETA };
    await claimed(ledger, next, { takeoversMax: 1 });
    expect(await claimed(ledger, next, { takeoversMax: 1 })).toMatchObject({ takeover: true });
  });

  test("hand-backs, requeues and unfit claims do not count", async () => {
    const entry = await createQueued(ledger, { needs: ["server:s"] });
    const capabilities = new Set(["server:s"]);
    let ticket = 1;
    for (let round = 0; round < 4; round += 1) {
      const { claim } = await claimed(ledger, { ...entry, ticket }, { takeoversMax: 0, capabilities });
      await ledger.commit(
        claim,
        commitOf(1, { kind: "requeue", delayMs: 0, tries: { failures: 0, rateLimits: 0 } }),
      );
      await claimEntry(ledger, { ...entry, ticket: ticket + 1 }, { takeoversMax: 0 });
      const seen = await ledger.glance(entry.runId);
      if (seen === undefined) throw new Error("the run is there");
      await ledger.requeue(entry.runId, newOp(), { ...seen, status: "queued" });
      ticket += 2;
    }
    expect((await ledger.read(entry.runId))?.run).toMatchObject({ status: "queued", takeovers: 0 });
  });

  test("a takeover of a run that is to pause parks it instead", async () => {
    const { claim } = await running(ledger);
    await ledger.pause(claim.runId, newOp());
    expect(await claimEntry(ledger, claim)).toEqual({ kind: "finished", why: "paused" });
    expect((await ledger.read(claim.runId))?.run).toMatchObject({ status: "waiting", reason: "paused" });
  });
});

describe("what a claim reads:", () => {
  test("a claim reads the whole conversation and the counts of the phase", async () => {
    const entry = await createQueued(ledger, {
      spec: specOf({ priority: 7 }),
      items: [itemAt(0), itemAt(1)],
    });
    const first = await claimed(ledger, entry);
    const phaseUsage = {
      inputTokens: 5,
      cachedInputTokens: 4,
      cacheWriteTokens: 3,
      outputTokens: 2,
      reasoningTokens: 1,
      costUsd: 0.25,
    };
    await ledger.append(first.claim, { length: 2, items: [itemAt(2)], turn: { phaseUsage }, events: [] });
    await ledger.commit(
      first.claim,
      commitOf(3, { kind: "requeue", delayMs: 0, tries: { failures: 3, rateLimits: 0 } }),
    );
    expect(await claimed(ledger, { ...entry, ticket: 2 })).toMatchObject({
      claim: { epoch: 4, ticket: 2 },
      items: [itemAt(0), itemAt(1), itemAt(2)],
      spec: { priority: 7 },
      phase: 0,
      tries: { failures: 3, rateLimits: 0 },
      phaseTurns: 1,
      turns: 1,
      handoffs: 0,
      phaseUsage,
      priority: 7,
    });
  });

  const claimWith = (entry: QueueEntry, caches: ClaimReading) =>
    claimRun(ledger.redis, defineScripts(ledger.redis), caches, {
      entry,
      claimId: newClaimId(systemIds),
      capabilities: new Set(),
      unfitGraceMs: 0,
      takeoversMax: 5,
      retentionMs: 0,
    });
  const emptyCaches = (): ClaimReading => ({
    codec: plainCodec,
    specs: new SpecCache(1),
    conversations: new ConversationCache(),
  });

  test("a conversation that is too long for the reply is read behind the claim", async () => {
    const { claim } = await running(ledger);
    const items = Array.from({ length: 200 }, (_, index) => itemAt(index + 1));
    await ledger.append(claim, { length: 1, items, events: [] });
    const reply = await claimWith(claim, emptyCaches());
    expect(reply).toMatchObject({ kind: "claimed", items: [itemAt(0), ...items] });
  });

  test("a kept conversation is used while its commit is the last write, and read again otherwise", async () => {
    const { claim } = await running(ledger);
    await ledger.commit(claim, {
      length: 1,
      items: [itemAt(1)],
      outcome: { kind: "requeue", delayMs: 0, tries: { failures: 0, rateLimits: 0 } },
      events: [],
    });
    const entry = { ...claim, ticket: 2 };
    const mark = `1/${claim.claimId}`;
    const kept = [itemAt(0), itemAt(1)];
    const claimKeeping = (kept: KeptConversation) => {
      const caches = emptyCaches();
      caches.conversations.keep(claim.runId, kept);
      return claimWith(entry, caches);
    };
    const otherMark = await claimKeeping({ mark: "1/another", items: kept });
    expect(otherMark.kind === "claimed" && otherMark.items).not.toBe(kept);
    const used = await claimKeeping({ mark, items: kept });
    expect(used.kind === "claimed" && used.items).toBe(kept);
    if (used.kind !== "claimed") throw new Error("the entry should have been claimed");
    await ledger.append(used.claim, { length: 2, items: [itemAt(2)], events: [] });
    const grown = await claimKeeping({ mark, items: kept });
    expect(grown).toMatchObject({ kind: "claimed", items: [itemAt(0), itemAt(1), itemAt(2)] });
  });

  test("a spec that leaves the cache while a claim is under way is not lost to it", async () => {
    const caches = emptyCaches();
    const claim = (entry: QueueEntry) => claimWith(entry, caches);
    const [first, second] = [await createQueued(ledger), await createQueued(ledger)];
    await claim(first);
    // The reply for `second` comes first and takes the only place, after `first` was asked for without its spec.
    const replies = await Promise.all([claim(second), claim(first)]);
    expect(replies).toMatchObject([
      { kind: "claimed", spec: withoutInput(specOf()) },
      { kind: "claimed", spec: withoutInput(specOf()) },
    ]);
  });
});
