/**
 * The ledger: all that may be done to runs in Redis, as functions bound to one connection. Each state change is
 * one script (R1); which job follows a change is told by its reply, and adding it is the caller's next line.
 */
import {
  type Item,
  type ModelId,
  type OperationId,
  type RunEvent,
  type RunId,
  type RunStatus,
  shardOf,
  type TerminalStatus,
} from "@baton/core";
import {
  cutLimits,
  type LearnLimits,
  LIMIT_WINDOW_MS,
  learnLimits,
  moveCall,
  type Reserve,
  readLimits,
  renewCalls,
  reserveCall,
  type Settle,
  settleCall,
} from "./account-limits.ts";
import { createBatchLedger } from "./batch-ledger.ts";
import { beatOnce, type WorkerBeat } from "./beat.ts";
import type { Cipher } from "./cipher.ts";
import { type Claim, type ClaimOptions, type ClaimReading, claimRun, SpecCache } from "./claim-run.ts";
import { type Codec, createCodec } from "./codec.ts";
import {
  type Answer,
  cancelRun,
  expireRun,
  pauseRun,
  type Retry,
  requeueRun,
  resumeRun,
  retryRun,
  retryRunUntil,
  type Seen,
} from "./control-run.ts";
import { ConversationCache } from "./conversation-cache.ts";
import { type CreateRun, createRun, createRunUntil, runOfKey } from "./create-run.ts";
import { type Hold, holdPool, readHolds, releasePool } from "./hold-pool.ts";
import { runKeys } from "./keys.ts";
import { packLog } from "./log-pack.ts";
import { type NewestPage, newestRuns } from "./newest-runs.ts";
import { type PoolSettingsPatch, readPoolSettings, setPool } from "./pool-settings.ts";
import { countRuns, glanceAt, readConversation, readOutline, readRun } from "./read-run.ts";
import type { RedisClient } from "./redis-client.ts";
import { defineScripts, type RunScript } from "./scripts.ts";
import { type AskRoom, askRoom, countLive, keepRoom, leaveRoom } from "./space-room.ts";
import { countSpace, dropSpace, listNamespaces, readSpaceUsage } from "./spaces.ts";
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
  /** How many the store has (shards.ts); absent: 1. */
  readonly shards?: number;
  /** Seals what belongs to the callers; absent: it lies in Redis as it is. */
  readonly cipher?: Cipher | undefined;
}

export type RetentionMs = Readonly<Record<TerminalStatus, number>>;

/** Events for watchers only, written under a claim. */
export interface ClaimEvents {
  readonly claim: Claim;
  readonly events: readonly RunEvent[];
}

export type Ledger = ReturnType<typeof createLedger>;

/** `run` calls the scripts on `redis`; tests pass one that loses or repeats calls. */
export function createLedger(
  redis: RedisClient,
  options: LedgerOptions,
  run: RunScript = defineScripts(redis),
) {
  const codec = createCodec(options.cipher);
  const reading = { codec, specs: new SpecCache(SPECS_KEPT_MAX), conversations: new ConversationCache() };
  const kept = retentionOf(options.retentionMs);
  const { shards = 1 } = options;
  return {
    redis,
    shards,
    codec,
    create: (create: CreateRun) => createRun(run, codec, create),
    /** `late` from `until` on, unless the run is there already; see space-room.ts. */
    createUntil: (create: CreateRun, until: number) => createRunUntil(run, codec, create, until),
    claim: (claim: Omit<ClaimOptions, "retentionMs">) =>
      claimRun(redis, run, reading, { ...claim, retentionMs: kept.failed }),
    append: (claim: Claim, append: Append) => appendItems(run, codec, claim, append),
    /**
     * `before` is the conversation that the items continue: kept for the next claim, if that comes here; packed with
     * them when the run is done.
     */
    async commit(
      claim: Claim,
      commit: Omit<Commit, "retentionMs" | "pack">,
      before?: readonly Item[],
    ): Promise<CommitReply> {
      const retentionMs = commit.outcome.kind === "failed" ? kept.failed : kept.succeeded;
      const items = before && [...before, ...commit.items];
      const pack = items && commit.outcome.kind === "succeeded" ? packLog(items) : undefined;
      const reply = await commitClaim(run, codec, claim, { ...commit, retentionMs, pack });
      remember(reading, claim, reply, items);
      return reply;
    },
    cancel: (id: RunId, op: OperationId) => cancelRun(run, id, op, kept.cancelled),
    pause: (id: RunId, op: OperationId) => pauseRun(run, id, op),
    resume: (id: RunId, op: OperationId, answer?: Answer) => resumeRun(run, codec, id, op, answer),
    retry: (id: RunId, retry: Retry) => retryRun(run, codec, id, retry),
    /** `late` from `until` on. */
    retryUntil: (id: RunId, retry: Retry, until: number) => retryRunUntil(run, codec, id, retry, until),
    requeue: (id: RunId, op: OperationId, seen: Seen) => requeueRun(run, id, op, seen),
    expire: (id: RunId) => expireRun(run, id, kept.failed),

    /** `knownRev`: the revision of the pools' settings that the worker knows. */
    beat: (beat: WorkerBeat | undefined, claims: readonly Claim[], knownRev?: string) =>
      beatOnce(run, beat, claims, knownRev),
    setPool: (pool: ModelId, patch: PoolSettingsPatch) => setPool(run, pool, patch),
    poolSettings: () => readPoolSettings(redis),
    hold: (pool: ModelId, how: Hold) => holdPool(run, pool, how),
    release: (pool: ModelId) => releasePool(run, pool),
    holds: () => readHolds(redis),

    reserve: (reserve: Reserve) => reserveCall(run, reserve),
    settle: (settle: Settle) => settleCall(run, settle),
    moveCall: (late: Omit<Settle, "amounts">) => moveCall(run, late),
    renewCalls: (account: string, leaseMs: number, calls: readonly string[]) =>
      renewCalls(run, account, leaseMs, calls),
    learnLimits: (learn: LearnLimits) => learnLimits(run, learn),
    cutLimits: (bucket: string, windowMs: number) => cutLimits(run, bucket, windowMs),
    /** What is asked of the providers' accounts, and what is left. */
    limits: (windowMs = LIMIT_WINDOW_MS) => readLimits(redis, run, windowMs),

    /** Writes events of many runs in one call a shard; those of a lost claim are dropped. */
    publish: (events: readonly ClaimEvents[]) => publishEvents(run, codec, events),

    /** The whole state as an event, with the id of the last event that it covers. Throws `not_found`. */
    snapshot: (id: RunId) => takeSnapshot(redis, run, codec, id),
    read: (id: RunId) => readRun(run, codec, id),
    /** The run for a list: also one that cannot be decrypted here, without what only its spec tells. */
    outline: (id: RunId) => readOutline(run, codec, id),
    runOfKey: (idempotencyKey: string) => runOfKey(redis, shards, idempotencyKey),
    glance: (id: RunId) => glanceAt(redis, id),
    conversation: (id: RunId, from?: number, to?: number, bytesMax?: number) =>
      readConversation(redis, codec, id, from, to, bytesMax),
    /** Runs of a status, or of any, newest first, whoever comes and goes between two pages. */
    newest: (page: NewestPage) => newestRuns({ redis, run, shards }, page),
    /** Their ids alone. */
    list: async (status: RunStatus, page: Omit<NewestPage, "status">) =>
      (await newestRuns({ redis, run, shards }, { ...page, status })).ids,

    ...createBatchLedger(redis, run, shards),
    count: (status: RunStatus) => countRuns(redis, shards, status),

    /** Namespaces that have runs, or spent something; sorted. */
    namespaces: () => listNamespaces(redis, shards),
    /** How many runs of a namespace there are. */
    countSpace: (namespace: string) => countSpace(run, shards, namespace),
    /** How many of them have not ended. */
    countLive: (namespace: string) => countLive(run, shards, namespace),
    /** Sets room aside for runs of a namespace; see space-room.ts. */
    askRoom: (ask: AskRoom) => askRoom(run, ask),
    keepRoom: (keep: AskRoom) => keepRoom(run, keep),
    leaveRoom: (leave: Omit<AskRoom, "runs">) => leaveRoom(run, leave),
    /** What all replies of a namespace's runs took, also of those that are gone. */
    spaceUsage: (namespace: string) => readSpaceUsage(redis, shards, namespace),
    /** Forgets what a namespace spent; false when it has runs. */
    dropSpace: (namespace: string) => dropSpace(run, shards, namespace),
  };
}

/** What the next claim of the run may use, if it comes here; nothing where there is none. */
function remember(
  { specs, conversations }: ClaimReading,
  claim: Claim,
  reply: CommitReply,
  items: readonly Item[] | undefined,
): void {
  if (items !== undefined && reply.kind === "committed" && reply.status === "queued") {
    conversations.keep(claim.runId, { mark: `${claim.ticket}/${claim.claimId}`, items });
  }
  if (reply.kind !== "fenced" && (reply.status === "succeeded" || reply.status === "failed")) {
    specs.forget(claim.runId);
  }
}

async function publishEvents(run: RunScript, codec: Codec, events: readonly ClaimEvents[]): Promise<void> {
  const byShard = Map.groupBy(events, ({ claim }) => shardOf(claim.runId));
  await Promise.all(
    [...byShard.values()].map((some) => {
      const keys = some.map(({ claim }) => runKeys(claim.runId).run);
      const args = some.flatMap(({ claim, events: own }) => [
        String(claim.epoch),
        claim.claimId,
        eventsOf(codec, claim.runId, own),
      ]);
      return run("publish", keys, args);
    }),
  );
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
