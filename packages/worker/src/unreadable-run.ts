/**
 * What becomes of a run that was claimed and cannot be read. Where the record is damaged it fails: another look would
 * find the same, and it must not go round for ever. Where only an encryption key is missing here, it is left to a worker
 * that has the key, as a run is whose tools this worker lacks; that is seen before the claim, unless what somebody said in the
 * run from outside (an answer, a retry) was written under another key than any of its workers had.
 */
import type { ClaimReply } from "@baton/store";
import type { JobVerdict } from "./run-phase.ts";
import type { WorkerDeps } from "./worker-deps.ts";

type Unreadable = Extract<ClaimReply, { kind: "unreadable" }>;

/** As long as for what else a worker may lack. */
const KEY_MISSING_MS = 5_000;

export async function afterUnreadable(claimed: Unreadable, deps: WorkerDeps): Promise<JobVerdict> {
  const { claim, error } = claimed;
  deps.log.error({ runId: claim.runId, err: error }, "the run cannot be read");
  if (error.code === "encryption_key_missing") await leaveToOthers(claimed, deps);
  else await giveUp(claimed, deps);
  return { kind: "done", why: "unreadable" };
}

async function leaveToOthers({ claim, length, tries, priority, error }: Unreadable, deps: WorkerDeps) {
  const failure = { code: error.code, message: error.message };
  const outcome = { kind: "requeue", delayMs: KEY_MISSING_MS, tries, failure } as const;
  const reply = await deps.ledger.commit(claim, { length, items: [], outcome, events: [] });
  if (reply.kind === "fenced" || reply.entry === undefined) return;
  await deps.enqueue(reply.entry, { delayMs: KEY_MISSING_MS, priority });
}

async function giveUp({ claim, length, error }: Unreadable, deps: WorkerDeps): Promise<void> {
  const outcome = { kind: "failed", code: error.code, message: error.message } as const;
  const { kind } = await deps.ledger.commit(claim, { length, items: [], outcome, events: [] });
  if (kind !== "fenced") deps.signals.runEnded({ ...claim, status: "failed", code: error.code });
}
