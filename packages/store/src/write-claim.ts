/**
 * `append` and `commit`: what a worker writes under its claim. Both carry the whole fence and the length that
 * they continue; what is refused is a value, and the worker stops at once.
 */
import { BatonError, type Item, type ModelId, type RunEvent, type Usage, type WaitReason } from "@baton/core";
import type { Claim } from "./claim-run.ts";
import type { QueueEntry } from "./create-run.ts";
import { runKeys } from "./keys.ts";
import { formatUsage } from "./run-record.ts";
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
  readonly phaseUsage: Usage;
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
  | { readonly kind: "appended" | "duplicate"; readonly length: number; readonly pausing: boolean }
  | Fenced;

export async function appendItems(run: RunScript, claim: Claim, append: Append): Promise<AppendReply> {
  const reply = await run(
    "append",
    [runKeys(claim.runId).run],
    [
      claim.claimId,
      String(claim.epoch),
      String(append.length),
      append.turn === undefined ? "0" : "1",
      append.turn === undefined ? "" : formatUsage(append.turn.phaseUsage),
      String(append.items.length),
      ...append.items.map((item) => JSON.stringify(item)),
      eventsOf(append.events),
    ],
  );
  switch (reply[0]) {
    case "appended":
    case "duplicate":
      return { kind: reply[0], length: Number(reply[1]), pausing: reply[2] === "1" };
    default:
      return readFenced("append", reply);
  }
}

/** Where a run goes at the end of a claim. */
export type Outcome =
  | { readonly kind: "handoff"; readonly pool: ModelId }
  /** The same phase again, after a delay: backoff, a rate limit, a hand-back. */
  | { readonly kind: "requeue"; readonly delayMs: number; readonly tries: number }
  | { readonly kind: "wait"; readonly reason: WaitReason }
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
}

export type CommitReply =
  /** `entry` is to be enqueued right behind; absent when the run has no queue entry now. */
  | {
      readonly kind: "committed" | "duplicate";
      readonly status: string;
      readonly entry: QueueEntry | undefined;
    }
  | Fenced;

export async function commitClaim(run: RunScript, claim: Claim, commit: Commit): Promise<CommitReply> {
  const { outcome } = commit;
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
      outcome.kind,
      outcome.kind === "handoff" ? outcome.pool : claim.pool,
      outcome.kind === "requeue" ? String(outcome.delayMs) : "0",
      outcome.kind === "wait" ? outcome.reason : "",
      outcome.kind === "failed" ? outcome.code : "",
      outcome.kind === "failed" ? outcome.message.slice(0, 2_000) : "",
      outcome.kind === "requeue" ? String(outcome.tries) : "0",
      String(commit.retentionMs),
      String(commit.items.length),
      ...commit.items.map((item) => JSON.stringify(item)),
      eventsOf(commit.events),
    ],
  );
  if (reply[0] !== "committed" && reply[0] !== "duplicate") return readFenced("commit", reply);
  const status = String(reply[1]);
  // The script replies the pool that it was given or holds, which were model ids when they came in.
  const entry = { runId: claim.runId, ticket: Number(reply[2]), pool: String(reply[3]) as ModelId };
  return { kind: reply[0], status, entry: status === "queued" ? entry : undefined };
}

function readFenced(script: string, reply: ScriptReply): Fenced {
  if (reply[0] === "fenced") return { kind: "fenced", status: String(reply[1]) };
  if (reply[0] === "diverged") return { kind: "fenced", status: "diverged" };
  throw new BatonError("store_corrupt", `${script} replied ${JSON.stringify(reply)}`);
}

/** One entry of the stream, or '' for none. */
export function eventsOf(events: readonly RunEvent[]): string {
  return events.length === 0 ? "" : JSON.stringify(events);
}
