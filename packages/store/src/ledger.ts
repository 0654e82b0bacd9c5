/**
 * The ledger: all that may be done to runs in Redis, as functions bound to one connection. Each state change is
 * one script (R1); which job follows a change is told by its reply, and adding it is the caller's next line.
 */
import type {
  Budget,
  Item,
  ModelId,
  OperationId,
  RunEvent,
  RunId,
  RunStatus,
  TerminalStatus,
} from "@baton/core";
import type { Redis } from "ioredis";
import { readBatch, setBatchBudget } from "./batches.ts";
import { beatOnce, type WorkerBeat } from "./beat.ts";
import { type Claim, type ClaimOptions, claimRun, SpecCache } from "./claim-run.ts";
import {
  type Answer,
  cancelRun,
  expireRun,
  pauseRun,
  type Retry,
  requeueRun,
  resumeRun,
  retryRun,
  type Seen,
} from "./control-run.ts";
import { ConversationCache } from "./conversation-cache.ts";
import { type CreateRun, createRun } from "./create-run.ts";
import { type Hold, holdPool, readHolds, releasePool } from "./hold-pool.ts";
import { runKeys } from "./keys.ts";
import {
  countBatch,
  countRuns,
  glanceAt,
  type ListPage,
  listRunIds,
  readConversation,
  readRun,
} from "./read-run.ts";
import { defineScripts, type RunScript } from "./scripts.ts";
import { takeSnapshot } from "./take-snapshot.ts";
import {
  type Append,
  appendItems,
  type Commit,
  type CommitReply,
  commitClaim,
  eventsOf,
} from "./write-claim.ts";

const SPECS_KEPT_MAX = 5_000;

export interface LedgerOptions {
  /** How long a run is kept after its end, in milliseconds, for all or by how it ended; 0 for ever. */
  readonly retentionMs: number | RetentionMs;
}

export type RetentionMs = Readonly<Record<TerminalStatus, number>>;

/** Events for watchers only, written under a claim. */
export interface ClaimEvents {
  readonly claim: Claim;
  readonly events: readonly RunEvent[];
}

export type Ledger = ReturnType<typeof createLedger>;

/** `run` calls the scripts on `redis`; tests pass one that loses or repeats calls. */
export function createLedger(redis: Redis, options: LedgerOptions, run: RunScript = defineScripts(redis)) {
  const caches = { specs: new SpecCache(SPECS_KEPT_MAX), conversations: new ConversationCache() };
  const kept = retentionOf(options.retentionMs);
  return {
    redis,
    create: (create: CreateRun) => createRun(run, create),
    claim: (claim: Omit<ClaimOptions, "retentionMs">) =>
      claimRun(redis, run, caches, { ...claim, retentionMs: kept.failed }),
    append: (claim: Claim, append: Append) => appendItems(run, claim, append),
    /** `before` is the conversation that the items continue: kept for the next claim, if that comes here. */
    async commit(
      claim: Claim,
      commit: Omit<Commit, "retentionMs">,
      before?: readonly Item[],
    ): Promise<CommitReply> {
      const retentionMs = commit.outcome.kind === "failed" ? kept.failed : kept.succeeded;
      const reply = await commitClaim(run, claim, { ...commit, retentionMs });
      if (before !== undefined && reply.kind === "committed" && reply.status === "queued") {
        const mark = `${claim.ticket}/${claim.claimId}`;
        caches.conversations.keep(claim.runId, { mark, items: [...before, ...commit.items] });
      }
      if (reply.kind !== "fenced" && (reply.status === "succeeded" || reply.status === "failed")) {
        caches.specs.forget(claim.runId);
      }
      return reply;
    },
    cancel: (id: RunId, op: OperationId) => cancelRun(run, id, op, kept.cancelled),
    pause: (id: RunId, op: OperationId) => pauseRun(run, id, op),
    resume: (id: RunId, op: OperationId, answer?: Answer) => resumeRun(run, id, op, answer),
    retry: (id: RunId, retry: Retry) => retryRun(run, id, retry),
    requeue: (id: RunId, op: OperationId, seen: Seen) => requeueRun(run, id, op, seen),
    expire: (id: RunId) => expireRun(run, id, kept.failed),

    beat: (beat: WorkerBeat, claims: readonly Claim[]) => beatOnce(run, beat, claims),
    hold: (pool: ModelId, how: Hold) => holdPool(run, pool, how),
    release: (pool: ModelId) => releasePool(run, pool),
    holds: () => readHolds(redis),

    /** Writes events of many runs in one call; those of a lost claim are dropped. */
    async publish(events: readonly ClaimEvents[]): Promise<void> {
      if (events.length === 0) return;
      const keys = events.map(({ claim }) => runKeys(claim.runId).run);
      const args = events.flatMap(({ claim, events: some }) => [
        String(claim.epoch),
        claim.claimId,
        eventsOf(some),
      ]);
      await run("publish", keys, args);
    },

    /** The whole state as an event, with the id of the last event that it covers. Throws `not_found`. */
    snapshot: (id: RunId) => takeSnapshot(run, id),
    read: (id: RunId) => readRun(run, id),
    glance: (id: RunId) => glanceAt(redis, id),
    conversation: (id: RunId, from?: number, to?: number) => readConversation(redis, id, from, to),
    list: (status: RunStatus, page: ListPage) => listRunIds(redis, status, page),
    countBatch: (id: string) => countBatch(redis, id),
    batch: (id: string) => readBatch(redis, id),
    setBatchBudget: (id: string, budget: Budget) => setBatchBudget(run, id, budget),
    count: (status: RunStatus) => countRuns(redis, status),
  };
}

/** Redis takes whole milliseconds only, and a script that it stops there would be half done. */
function retentionOf(retentionMs: number | RetentionMs): RetentionMs {
  const given =
    typeof retentionMs === "number"
      ? { succeeded: retentionMs, failed: retentionMs, cancelled: retentionMs }
      : retentionMs;
  return {
    succeeded: Math.ceil(given.succeeded),
    failed: Math.ceil(given.failed),
    cancelled: Math.ceil(given.cancelled),
  };
}
