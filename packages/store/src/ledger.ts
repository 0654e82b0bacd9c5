/**
 * The ledger: all that may be done to runs in Redis, as functions bound to one connection. Each state change is
 * one script (R1); which job follows a change is told by its reply, and adding it is the caller's next line.
 */
import type { Item, OperationId, RunEvent, RunId, RunStatus } from "@baton/core";
import type { Redis } from "ioredis";
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
import { runKeys, shardKeys } from "./keys.ts";
import { countRuns, glanceAt, listRunIds, readConversation, readRun } from "./read-run.ts";
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
  /** How long a run is kept after its end, in milliseconds; 0 for ever. */
  readonly retentionMs: number;
}

/** A sign of life, shown by `pools` and asked for by the reconciler. */
export interface WorkerBeat {
  readonly workerId: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly patterns: readonly string[];
  readonly pools: readonly string[];
  readonly concurrency: number;
  readonly active: number;
}

export interface LostClaim {
  readonly claim: Claim;
  readonly kind: "fenced" | "pausing";
  readonly status: string;
}

/** Events for watchers only, written under a claim. */
export interface ClaimEvents {
  readonly claim: Claim;
  readonly events: readonly RunEvent[];
}

export type Ledger = ReturnType<typeof createLedger>;

/** `run` calls the scripts on `redis`; tests pass one that loses or repeats calls. */
export function createLedger(redis: Redis, options: LedgerOptions, run: RunScript = defineScripts(redis)) {
  const caches = { specs: new SpecCache(SPECS_KEPT_MAX), conversations: new ConversationCache() };
  // Redis takes whole milliseconds only, and a script that it stops there would be half done.
  const retentionMs = Math.ceil(options.retentionMs);
  return {
    redis,
    create: (create: CreateRun) => createRun(run, create),
    claim: (claim: Omit<ClaimOptions, "retentionMs">) =>
      claimRun(redis, run, caches, { ...claim, retentionMs }),
    append: (claim: Claim, append: Append) => appendItems(run, claim, append),
    /** `before` is the conversation that the items continue: kept for the next claim, if that comes here. */
    async commit(
      claim: Claim,
      commit: Omit<Commit, "retentionMs">,
      before?: readonly Item[],
    ): Promise<CommitReply> {
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
    cancel: (id: RunId, op: OperationId) => cancelRun(run, id, op, retentionMs),
    pause: (id: RunId, op: OperationId) => pauseRun(run, id, op),
    resume: (id: RunId, op: OperationId, answer?: Answer) => resumeRun(run, id, op, answer),
    retry: (id: RunId, retry: Retry) => retryRun(run, id, retry),
    requeue: (id: RunId, op: OperationId, seen: Seen) => requeueRun(run, id, op, seen),
    expire: (id: RunId) => expireRun(run, id, retentionMs),

    /** One heartbeat: tells that the worker lives, and hears which of its claims no longer hold. */
    async beat(beat: WorkerBeat, claims: readonly Claim[]): Promise<readonly LostClaim[]> {
      const { workerId, ...rest } = beat;
      const reply = await run(
        "beat",
        [shardKeys(0).workers, ...claims.map((claim) => runKeys(claim.runId).run)],
        [workerId, JSON.stringify(rest), ...claims.flatMap((claim) => [String(claim.epoch), claim.claimId])],
      );
      return reply.flatMap((entry) => {
        const [place, kind, status] = (Array.isArray(entry) ? entry : []).map(String);
        const claim = claims[Number(place)];
        if (claim === undefined) return [];
        return [
          {
            claim,
            kind: kind === "pausing" ? ("pausing" as const) : ("fenced" as const),
            status: status ?? "",
          },
        ];
      });
    },

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
    list: (status: RunStatus, page: { readonly limit: number; readonly before?: RunId | undefined }) =>
      listRunIds(redis, status, page),
    count: (status: RunStatus) => countRuns(redis, status),
  };
}
