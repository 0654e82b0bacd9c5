/**
 * What people and the reconciler do to a run from outside: `cancel`, `pause`, `resume`, `retry`, `requeue`,
 * `expire`. Each carries an operation id or compares what it saw, so that sending it twice does it once (R1).
 */
import { BatonError, type Item, type ModelId, type OperationId, type RunId } from "@baton/core";
import type { Codec } from "./codec.ts";
import type { QueueEntry } from "./create-run.ts";
import { runKeys } from "./keys.ts";
import type { RunScript, ScriptReply } from "./scripts.ts";
import type { Late } from "./space-room.ts";

export type ControlReply =
  /** It took effect, now or when it was sent before. `entry` is to be enqueued, when there is one. */
  | { readonly kind: "done"; readonly did: string; readonly entry: QueueEntry | undefined }
  /** The run's status does not take it, or it moved since it was looked at. */
  | { readonly kind: "refused"; readonly status: string }
  | { readonly kind: "gone" };

export async function cancelRun(
  run: RunScript,
  id: RunId,
  op: OperationId,
  retentionMs: number,
): Promise<ControlReply> {
  const reply = await run("cancel", [runKeys(id).run], [op, String(retentionMs)]);
  switch (reply[0]) {
    case "cancelled":
    case "duplicate":
      return { kind: "done", did: reply[0], entry: undefined };
    case "terminal":
      return { kind: "refused", status: String(reply[1]) };
    default:
      return readGone("cancel", reply);
  }
}

export async function pauseRun(run: RunScript, id: RunId, op: OperationId): Promise<ControlReply> {
  const reply = await run("pause", [runKeys(id).run], [op]);
  switch (reply[0]) {
    case "paused":
    case "pausing":
    case "duplicate":
      return { kind: "done", did: reply[0], entry: undefined };
    case "refused":
      return { kind: "refused", status: String(reply[1]) };
    default:
      return readGone("pause", reply);
  }
}

/** What a waiting run is answered with: items that continue its log. */
export interface Answer {
  /** Items in the log as the caller saw it. */
  readonly length: number;
  readonly items: readonly Item[];
}

export async function resumeRun(
  run: RunScript,
  codec: Codec,
  id: RunId,
  op: OperationId,
  answer?: Answer,
): Promise<ControlReply> {
  const args = answer === undefined ? [""] : [String(answer.length), ...sealedItems(codec, id, answer.items)];
  const reply = await run("resume", [runKeys(id).run], [op, ...args]);
  switch (reply[0]) {
    case "resumed":
    case "duplicate":
      return {
        kind: "done",
        did: reply[0],
        entry: reply[1] === "queued" ? entryOf(id, reply[2], reply[3]) : undefined,
      };
    case "refused":
      return { kind: "refused", status: String(reply[1]) };
    case "moved":
      return { kind: "refused", status: "moved" };
    default:
      return readGone("resume", reply);
  }
}

export interface Retry {
  readonly op: OperationId;
  /** As the caller saw the run: a retry of another moment is refused. */
  readonly epoch: number;
  readonly length: number;
  /** Another model for the phase. */
  readonly pool?: ModelId | undefined;
  /** Milliseconds until the run fails, from now; 0 for never. */
  readonly timeoutMs: number;
  /** The record of the retry, and what is added to the conversation. */
  readonly items: readonly Item[];
}

export async function retryRun(run: RunScript, codec: Codec, id: RunId, retry: Retry): Promise<ControlReply> {
  const reply = await retryRunUntil(run, codec, id, retry, undefined);
  if (reply.kind === "late") throw new BatonError("store_corrupt", "a retry was late, and had no end");
  return reply;
}

/** The same as long as it is before `until`, by Redis' clock: see space-room.ts. */
export async function retryRunUntil(
  run: RunScript,
  codec: Codec,
  id: RunId,
  retry: Retry,
  until: number | undefined,
): Promise<ControlReply | Late> {
  const reply = await run(
    "retry",
    [runKeys(id).run],
    [
      retry.op,
      String(retry.epoch),
      String(retry.length),
      retry.pool ?? "",
      String(retry.timeoutMs),
      until === undefined ? "" : String(until),
      ...sealedItems(codec, id, retry.items),
    ],
  );
  switch (reply[0]) {
    case "retried":
    case "duplicate":
      return { kind: "done", did: reply[0], entry: entryOf(id, reply[1], reply[2]) };
    case "refused":
      return { kind: "refused", status: String(reply[1]) };
    case "moved":
      return { kind: "refused", status: "moved" };
    case "late":
      return { kind: "late" };
    default:
      return readGone("retry", reply);
  }
}

/** What the caller saw of a run; the requeue happens only if all of it still holds. */
export interface Seen {
  readonly status: "queued" | "running";
  readonly ticket: number;
  readonly epoch: number;
  readonly claimId: string;
}

export async function requeueRun(
  run: RunScript,
  id: RunId,
  op: OperationId,
  seen: Seen,
): Promise<ControlReply> {
  const reply = await run(
    "requeue",
    [runKeys(id).run],
    [op, seen.status, String(seen.ticket), String(seen.epoch), seen.claimId],
  );
  switch (reply[0]) {
    case "requeued":
    case "duplicate":
      return { kind: "done", did: reply[0], entry: entryOf(id, reply[1], reply[2]) };
    case "moved":
      return reply[1] === "gone" ? { kind: "gone" } : { kind: "refused", status: String(reply[1]) };
    default:
      return readGone("requeue", reply);
  }
}

/** Fails the run if its deadline has passed. */
export async function expireRun(run: RunScript, id: RunId, retentionMs: number): Promise<ControlReply> {
  const reply = await run("expire", [runKeys(id).run], [String(retentionMs)]);
  switch (reply[0]) {
    case "expired":
      return { kind: "done", did: "expired", entry: undefined };
    case "early":
    case "terminal":
      return { kind: "refused", status: reply[0] };
    default:
      return readGone("expire", reply);
  }
}

function sealedItems(codec: Codec, id: RunId, items: readonly Item[]): readonly string[] {
  return items.map((item) => codec.seal(id, "item", JSON.stringify(item)));
}

function entryOf(id: RunId, ticket: unknown, pool: unknown): QueueEntry {
  // The pool was a model id when the run was written.
  return { runId: id, ticket: Number(ticket), pool: String(pool) as ModelId };
}

function readGone(script: string, reply: ScriptReply): ControlReply {
  if (reply[0] === "gone") return { kind: "gone" };
  throw new BatonError("store_corrupt", `${script} replied ${JSON.stringify(reply)}`);
}
