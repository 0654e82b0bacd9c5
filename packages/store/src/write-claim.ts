/**
 * `append` and `commit`: what a worker writes under its claim. Both carry the whole fence and the length that
 * they continue; what is refused is a value, and the worker stops at once.
 */
import { BatonError, type Item, type ModelId, type RunEvent, type RunId, type WaitReason } from "@baton/core";
import { type BatchState, type Claim, readBatchState } from "./claim-run.ts";
import type { Codec } from "./codec.ts";
import type { QueueEntry } from "./create-run.ts";
import { runKeys } from "./keys.ts";
import { formatTries, formatUsage, nanoUsd, type PricedUsage, type Tries } from "./run-record.ts";
import type { RunScript, ScriptReply } from "./scripts.ts";

/** The claim does not hold any more: another worker, a cancel or a retry came between. */
export interface Fenced {
  readonly kind: "fenced";
  /** Status of the run now, `gone`, or `diverged` when the log is not the one that was continued. */
  readonly status: string;
}

/** A model reply was written. */
export interface WrittenTurn {
  /** Of the whole open phase, this reply included. */
  readonly phaseUsage: PricedUsage;
  /** What this reply alone cost; given when the run has a batch or a namespace, for which it is counted. */
  readonly spend?: Spend;
}

export interface Spend {
  readonly batch?: string | undefined;
  readonly namespace?: string | undefined;
  readonly tokens: number;
  readonly costUsd: number | null;
}

export interface Append {
  /** Items in the log before these. */
  readonly length: number;
  readonly items: readonly Item[];
  /** Given when `items` begins with a model reply. */
  readonly turn?: WrittenTurn | undefined;
  readonly events: readonly RunEvent[];
}

export type AppendReply =
  | {
      readonly kind: "appended" | "duplicate";
      readonly length: number;
      readonly pausing: boolean;
      /** After a reply of a run in a batch. */
      readonly batch?: BatchState | undefined;
    }
  | Fenced;

export async function appendItems(
  run: RunScript,
  codec: Codec,
  claim: Claim,
  append: Append,
): Promise<AppendReply> {
  const reply = await run(
    "append",
    [runKeys(claim.runId).run],
    [
      claim.claimId,
      String(claim.epoch),
      String(append.length),
      append.turn === undefined ? "0" : "1",
      append.turn === undefined ? "" : formatUsage(append.turn.phaseUsage),
      spendOf(append.turn),
      String(append.items.length),
      ...append.items.map((item) => codec.seal(claim.runId, "item", JSON.stringify(item))),
      eventsOf(codec, claim.runId, append.events),
    ],
  );
  switch (reply[0]) {
    case "appended":
    case "duplicate":
      return {
        kind: reply[0],
        length: Number(reply[1]),
        pausing: reply[2] === "1",
        batch: readBatchState(append.turn?.spend?.batch ?? "", String(reply[3] ?? "")),
      };
    default:
      return readFenced("append", reply);
  }
}

const SENTENCE_CHARS_MAX = 2_000;

/** Where a run goes at the end of a claim. */
export type Outcome =
  /** `failed`: the phase did not do its work, and another model steps in. */
  | { readonly kind: "handoff"; readonly pool: ModelId; readonly failed?: boolean }
  /** The same phase again, after a delay: backoff, a rate limit, a hand-back. */
  | {
      readonly kind: "requeue";
      readonly delayMs: number;
      readonly tries: Tries;
      /** Why, when a call failed. */
      readonly failure?: { readonly code: string; readonly message: string };
    }
  /** `detail` says in a sentence what for. */
  | {
      readonly kind: "wait";
      readonly reason: WaitReason;
      readonly detail?: string | undefined;
      /** The budget that it waits for is the batch's: the run is queued instead when that was raised meanwhile. */
      readonly ofBatch?: boolean | undefined;
    }
  | { readonly kind: "succeeded" }
  | { readonly kind: "failed"; readonly code: string; readonly message: string };

export interface Commit {
  readonly length: number;
  /** The last items. A model reply that ends the phase is the first of them, written and acted on at once (R5). */
  readonly items: readonly Item[];
  /** Given when `items` begins with a model reply. */
  readonly turn?: WrittenTurn | undefined;
  readonly outcome: Outcome;
  readonly events: readonly RunEvent[];
  readonly retentionMs: number;
  /** Of a run that succeeds: its whole conversation with these items, packed; it takes the place of the log. */
  readonly pack?: Buffer | undefined;
}

export type CommitReply =
  /** `entry` is to be enqueued right behind; absent when the run has no queue entry now. */
  | {
      readonly kind: "committed" | "duplicate";
      readonly status: string;
      readonly entry: QueueEntry | undefined;
    }
  | Fenced;

export async function commitClaim(
  run: RunScript,
  codec: Codec,
  claim: Claim,
  commit: Commit,
): Promise<CommitReply> {
  const { outcome, pack } = commit;
  const { runId } = claim;
  const failure = failureOf(outcome);
  const sentence = (text = ""): string => codec.sealSentence(runId, text.slice(0, SENTENCE_CHARS_MAX));
  const reply = await run(
    "commit",
    [runKeys(claim.runId).run],
    [
      claim.claimId,
      String(claim.epoch),
      String(claim.ticket),
      String(commit.length),
      commit.turn === undefined ? "0" : "1",
      commit.turn === undefined ? "" : formatUsage(commit.turn.phaseUsage),
      spendOf(commit.turn),
      outcome.kind,
      outcome.kind === "handoff" ? outcome.pool : claim.pool,
      outcome.kind === "requeue" ? String(outcome.delayMs) : "0",
      reasonOf(outcome),
      sentence(outcome.kind === "wait" ? outcome.detail : undefined),
      failure?.code ?? "",
      sentence(failure?.message),
      outcome.kind === "requeue" ? formatTries(outcome.tries) : "0",
      String(commit.retentionMs),
      pack === undefined ? "" : codec.sealPack(runId, pack),
      String(commit.items.length),
      ...commit.items.map((item) => codec.seal(runId, "item", JSON.stringify(item))),
      eventsOf(codec, runId, commit.events),
    ],
  );
  if (reply[0] !== "committed" && reply[0] !== "duplicate") return readFenced("commit", reply);
  const status = String(reply[1]);
  // The script replies the pool that it was given or holds, which were model ids when they came in.
  const entry = { runId: claim.runId, ticket: Number(reply[2]), pool: String(reply[3]) as ModelId };
  return { kind: reply[0], status, entry: status === "queued" ? entry : undefined };
}

function reasonOf(outcome: Outcome): string {
  if (outcome.kind === "wait") return outcome.ofBatch === true ? "batch_budget" : outcome.reason;
  return outcome.kind === "handoff" && outcome.failed === true ? "failed" : "";
}

function failureOf(outcome: Outcome): { readonly code: string; readonly message: string } | undefined {
  if (outcome.kind === "failed") return outcome;
  return outcome.kind === "requeue" ? outcome.failure : undefined;
}

/** As the scripts take it: the tokens, the nano-USD, the batch, the namespace. */
function spendOf(turn: WrittenTurn | undefined): string {
  if (turn?.spend === undefined) return "";
  const { tokens, costUsd, batch = "", namespace = "" } = turn.spend;
  return `${tokens} ${nanoUsd(costUsd)} ${batch} ${namespace}`;
}

function readFenced(script: string, reply: ScriptReply): Fenced {
  if (reply[0] === "fenced") return { kind: "fenced", status: String(reply[1]) };
  if (reply[0] === "diverged") return { kind: "fenced", status: "diverged" };
  throw new BatonError("store_corrupt", `${script} replied ${JSON.stringify(reply)}`);
}

/** One entry of the stream, or '' for none. */
export function eventsOf(codec: Codec, runId: RunId, events: readonly RunEvent[]): string {
  return events.length === 0 ? "" : codec.seal(runId, "events", JSON.stringify(events));
}
