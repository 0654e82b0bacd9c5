/**
 * `queue.add` goes out right behind `commit`, without other. So it may come first, or alone; whatever lands, no
 * run may be left without an entry that is claimed (R4), and no handoff may happen twice (R7).
 */
import { type ModelId, runIdSchema } from "@baton/core";
import { DelayedError, type Processor } from "bullmq";
import { beforeEach, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import {
  admissionKeys,
  apiKeysKey,
  encryptionKey,
  reconcilerKeys,
  requestsKey,
  runKeys,
  shardKeys,
} from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import type { PhaseJobData } from "./pool-queues.ts";
import { defineScripts, scriptNames } from "./scripts.ts";
import { openBull } from "./testing/bull-rig.ts";
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
} from "./testing/make-run.ts";

const redis = useRedis();
let ledger: Ledger;
beforeEach(() => {
  ledger = createLedger(redis.connect(), { retentionMs: 0 });
});

/** Claims as a worker does, and puts back what is ahead of its run; ends each phase that it gets with success. */
function worker(pool: ModelId, verdicts: string[]): Processor<PhaseJobData> {
  return async (job, token) => {
    const entry = { runId: runIdSchema.parse(job.data.runId), ticket: job.data.ticket, pool };
    const reply = await claimEntry(ledger, entry);
    verdicts.push(`${reply.kind} ${entry.ticket}`);
    if (reply.kind === "ahead") {
      await job.moveToDelayed(Date.now() + 50, token);
      throw new DelayedError();
    }
    if (reply.kind !== "claimed") return;
    await ledger.commit(reply.claim, commitOf(reply.items.length, { kind: "succeeded" }));
  };
}

test("a job that comes before its commit waits for it, though the commit's own add is then a no-op", async () => {
  await using bull = openBull(redis.url);
  const { claim } = await running(ledger);
  const next = { runId: claim.runId, ticket: 2, pool: BETA };
  const verdicts: string[] = [];
  await bull.queues.enqueue(next);
  bull.work(BETA, worker(BETA, verdicts));
  await until(() => verdicts.includes("ahead 2"), { what: "the early job" });
  await ledger.commit(claim, commitOf(1, { kind: "handoff", pool: BETA }));
  await bull.queues.enqueue(next);
  await until(() => verdicts.includes("claimed 2"), { what: "the claim of the early job" });
  await until(async () => (await ledger.glance(claim.runId))?.status === "succeeded", { what: "the end" });
  expect(verdicts.filter((verdict) => verdict === "claimed 2")).toHaveLength(1);
});

test("the job of a commit that was refused serves the entry that has its id later", async () => {
  await using bull = openBull(redis.url);
  const { claim: zombie } = await running(ledger);
  const { claim: owner } = await claimed(ledger, zombie);
  const next = { runId: zombie.runId, ticket: 2, pool: ALPHA };
  const requeue = commitOf(1, { kind: "requeue", delayMs: 0, tries: { failures: 0, rateLimits: 0 } });
  const [refused] = await Promise.all([ledger.commit(zombie, requeue), bull.queues.enqueue(next)]);
  expect(refused).toMatchObject({ kind: "fenced" });

  const verdicts: string[] = [];
  bull.work(ALPHA, worker(ALPHA, verdicts));
  await until(() => verdicts.includes("ahead 2"), { what: "the zombie's job to be put back" });
  await Promise.all([ledger.commit(owner, requeue), bull.queues.enqueue(next)]);
  await until(async () => (await ledger.glance(zombie.runId))?.status === "succeeded", { what: "the end" });
});

test("the job of a refused handoff to another pool is finished there and leaves the run to its owner", async () => {
  await using bull = openBull(redis.url);
  const { claim: zombie } = await running(ledger);
  const { claim: owner } = await claimed(ledger, zombie);
  await ledger.commit(
    owner,
    commitOf(1, { kind: "requeue", delayMs: 0, tries: { failures: 0, rateLimits: 0 } }),
  );
  const [refused] = await Promise.all([
    ledger.commit(zombie, commitOf(1, { kind: "handoff", pool: BETA })),
    bull.queues.enqueue({ runId: zombie.runId, ticket: 2, pool: BETA }),
  ]);
  expect(refused).toMatchObject({ kind: "fenced" });
  await bull.queues.enqueue({ runId: zombie.runId, ticket: 2, pool: ALPHA });
  const [misplaced, own]: [string[], string[]] = [[], []];
  bull.work(BETA, worker(BETA, misplaced));
  await until(() => misplaced.includes("finished 2"), { what: "the misplaced job to be finished" });
  bull.work(ALPHA, worker(ALPHA, own));
  await until(async () => (await ledger.glance(zombie.runId))?.status === "succeeded", { what: "the end" });
  expect(own).toEqual(["claimed 2"]);
});

test("a script flush between or before commit and add loses neither", async () => {
  await using bull = openBull(redis.url);
  const connection = bull.queues.queueOf(BETA);
  await connection.waitUntilReady();
  for (const flush of ["before both", "between"] as const) {
    const { claim } = await running(ledger);
    const next = { runId: claim.runId, ticket: 2, pool: BETA };
    const handoff = commitOf(1, { kind: "handoff", pool: BETA }, [itemAt(1)]);
    if (flush === "before both") await ledger.redis.script("FLUSH");
    const committing = ledger.commit(claim, handoff);
    const flushing = flush === "between" ? ledger.redis.script("FLUSH") : undefined;
    const [reply] = await Promise.all([committing, bull.queues.enqueue(next), flushing]);
    expect(reply).toMatchObject({ kind: "committed", entry: next });
    expect(await bull.queues.stateOf(next)).toBe("present");
    expect(await claimed(ledger, next)).toMatchObject({ items: [itemAt(0), itemAt(1)], phase: 1 });
  }
});

test("after a script flush every script works again", async () => {
  const { claim } = await running(ledger);
  const other = await createQueued(ledger);
  const run = defineScripts(ledger.redis);
  const key = runKeys(claim.runId).run;
  const calls: Readonly<Record<(typeof names)[number], () => Promise<unknown>>> = {
    agree: () => run("agree", [encryptionKey()], ["k1", "proof", "0"]),
    key: () => run("key", [apiKeysKey()], ["op", "drop", "id", "", "1"]),
    take: () => run("take", [requestsKey("id")], ["op", "1"]),
    create: () => ledger.create(draft()),
    append: () => ledger.append(claim, { length: 1, items: [itemAt(1)], events: [] }),
    publish: () => ledger.publish([{ claim, events: [{ type: "text", epoch: 2, phase: 0, text: "x" }] }]),
    read: () => ledger.read(claim.runId),
    beat: () => ledger.beat(BEAT, [claim]),
    lead: () => run("lead", [reconcilerKeys(0).leader], ["w1", "1000"]),
    glance: () => run("glance", [key], ["status"]),
    audit: () => run("audit", [key], ["repair", "", ""]),
    recount: () => run("recount", [shardKeys(0).backlog], [BETA, "7", "0"]),
    forget: () => run("forget", [key], ["0", "", ""]),
    space: () => ledger.dropSpace("acme"),
    room: () => ledger.askRoom({ namespace: "acme", holder: "h", runs: 1 }),
    page: () => ledger.batchPage("nightly", { limit: 9 }),
    newest: () => ledger.newest({ limit: 9 }),
    count: () => ledger.countBatch("nightly"),
    batch: () => ledger.setBatchBudget("nightly", { tokens: 1 }),
    hold: () => ledger.hold(BETA, { kind: "for", ms: 1 }),
    feed: () => run("feed", [admissionKeys(0).admission], [BETA, "8", "0", "10", ""]),
    settings: () => ledger.setPool(BETA, { rpm: 1 }),
    reserve: () => ledger.reserve(BOOKING),
    late: () => ledger.moveCall(BOOKING),
    lease: () => ledger.renewCalls("a", 1, ["c"]),
    settle: () => ledger.settle({ ...BOOKING, amounts: undefined }),
    learn: () => ledger.learnLimits({ ...BOOKING, report: {} }),
    cut: () => ledger.cutLimits("a", 1_000),
    headroom: () => ledger.limits(1_000),
    pause: () => ledger.pause(other.runId, newOp()),
    resume: () => ledger.resume(other.runId, newOp()),
    claim: () => claimEntry(ledger, other),
    commit: () =>
      ledger.commit(
        claim,
        commitOf(2, { kind: "requeue", delayMs: 0, tries: { failures: 0, rateLimits: 0 } }),
      ),
    requeue: () =>
      ledger.requeue(claim.runId, newOp(), { status: "queued", ticket: 2, epoch: 3, claimId: "" }),
    expire: () => ledger.expire(claim.runId),
    cancel: () => ledger.cancel(claim.runId, newOp()),
    retry: () => ledger.retry(claim.runId, { op: newOp(), epoch: 5, length: 2, timeoutMs: 0, items: [] }),
  };
  for (const name of names) {
    await ledger.redis.script("FLUSH");
    await calls[name]();
  }
  expect((await ledger.read(claim.runId))?.run).toMatchObject({ status: "queued", ticket: 5, items: 2 });
  expect((await ledger.read(other.runId))?.run).toMatchObject({ status: "running" });
});

const BOOKING = {
  ...{ account: "a", model: "m", call: "c", windowMs: 1_000, bookMs: 0, leaseMs: 1_000 },
  amounts: { requests: 1, tokens: 1, inputTokens: 1, outputTokens: 0 },
  accountLimits: { requests: 1 },
  concurrent: undefined,
  poolLimits: {},
};
const names = scriptNames();
