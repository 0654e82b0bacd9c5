/** Runs, items and claims for the store's tests: small, valid, and different from each other. */
import { randomBytes } from "node:crypto";
import {
  type IdSource,
  ITEM_VERSION,
  type Item,
  modelIdSchema,
  newClaimId,
  newOperationId,
  newRunId,
  type OperationId,
  parseRunSpec,
  type RunId,
  type RunSpec,
  type RunSpecInput,
} from "@baton/core";
import type { WorkerBeat } from "../beat.ts";
import type { Claimed, ClaimReply } from "../claim-run.ts";
import type { CreateRun, QueueEntry } from "../create-run.ts";
import { runKeys, shardKeys } from "../keys.ts";
import type { Ledger } from "../ledger.ts";
import type { RedisClient } from "../redis-client.ts";
import type { Commit, Outcome } from "../write-claim.ts";

export const ALPHA = modelIdSchema.parse("sim/alpha");
export const BETA = modelIdSchema.parse("sim/beta");

export const systemIds: IdSource = { now: () => Date.now(), random: (size) => randomBytes(size) };

export const BEAT: WorkerBeat = {
  workerId: "w1",
  host: "test",
  pid: 1,
  version: "test",
  patterns: ["sim/*"],
  pools: [ALPHA],
  concurrency: 1,
  active: 0,
  activeByPool: {},
  caps: {},
  refused: [],
  endedByPool: {},
  failingByPool: {},
};

export function itemAt(seq: number, text = `item ${seq}`): Item {
  return {
    v: ITEM_VERSION,
    seq,
    phase: 0,
    epoch: 0,
    at: 1_700_000_000_000,
    role: seq === 0 ? "user" : "assistant",
    parts: [{ type: "text", text }],
  };
}

export function specOf(more: RunSpecInput = {}): RunSpec {
  return parseRunSpec({ input: "go", model: [ALPHA, BETA], ...more });
}

/** What `create` is given: a run with one item in the pool of ALPHA, unless the test says otherwise. */
export function draft(more: Partial<CreateRun> = {}): CreateRun {
  return {
    id: newRunId(0, systemIds),
    spec: specOf(),
    items: [itemAt(0)],
    pool: ALPHA,
    needs: [],
    delayMs: 0,
    timeoutMs: 0,
    ...more,
  };
}

export async function createQueued(ledger: Ledger, more: Partial<CreateRun> = {}): Promise<QueueEntry> {
  const reply = await ledger.create(draft(more));
  if (reply.kind === "conflict") throw new Error(`the key is used by ${reply.runId}`);
  return reply.entry;
}

export interface ClaimMore {
  readonly capabilities?: ReadonlySet<string>;
  readonly unfitGraceMs?: number;
  readonly takeoversMax?: number;
}

export function claimEntry(ledger: Ledger, entry: QueueEntry, more: ClaimMore = {}): Promise<ClaimReply> {
  return ledger.claim({
    entry,
    claimId: newClaimId(systemIds),
    capabilities: new Set(),
    unfitGraceMs: 60_000,
    takeoversMax: 5,
    ...more,
  });
}

/** Claims the entry, and fails the test when it cannot be claimed. */
export async function claimed(ledger: Ledger, entry: QueueEntry, more: ClaimMore = {}): Promise<Claimed> {
  const reply = await claimEntry(ledger, entry, more);
  if (reply.kind !== "claimed") throw new Error(`the entry was not claimed: ${JSON.stringify(reply)}`);
  return reply;
}

/** A run that a worker has under its claim. */
export async function running(ledger: Ledger, more: Partial<CreateRun> = {}): Promise<Claimed> {
  return claimed(ledger, await createQueued(ledger, more));
}

/** A commit of `outcome` that continues a log of `length` items with `items` more. */
export function commitOf(
  length: number,
  outcome: Outcome,
  items: readonly Item[] = [],
): Omit<Commit, "retentionMs"> {
  return { length, items, outcome, events: [] };
}

export function newOp(): OperationId {
  return newOperationId(systemIds);
}

/** Puts a run's deadline, or the time before which it may not start, into the past: its clock moves alone. */
export async function timePasses(
  redis: RedisClient,
  id: RunId,
  field: "deadline" | "not_before",
): Promise<void> {
  await redis.hset(runKeys(id).run, field, "1");
  if (field === "deadline") await redis.zadd(shardKeys(0).deadlines, 1, id);
}
