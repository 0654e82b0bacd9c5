/**
 * The state machine of a run: pure and exhaustive. The Lua scripts of the store are this table made durable;
 * a test holds them against each other.
 *
 *     queued  → running | waiting(paused) | cancelled | failed
 *     running → running (takeover) | queued | waiting | succeeded | failed | cancelled
 *     waiting → queued | cancelled | failed
 *     failed, cancelled → queued, by retry alone (R6)
 *
 * R2: each claim, cancel, retry, resume and requeue raises the epoch. R7: each enqueue raises the ticket.
 *
 * A run of a batch may begin with ticket 0: it waits for its admission to the queue. Admission gives it ticket 1 and
 * nothing else; until then it has no entry, and whatever queues it again leaves it without one.
 */
import type { ModelId } from "./model-id.ts";

export const RUN_STATUSES = ["queued", "running", "waiting", "succeeded", "failed", "cancelled"] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];
export const WAIT_REASONS = ["approval", "client_tools", "budget", "paused"] as const;
export type WaitReason = (typeof WAIT_REASONS)[number];

export type TerminalStatus = "succeeded" | "failed" | "cancelled";

export function isTerminal(status: RunStatus): status is TerminalStatus {
  return status === "succeeded" || status === "failed" || status === "cancelled";
}

/** Whether the run must have a queue entry (R4). */
export function isLive(status: RunStatus): status is "queued" | "running" {
  return status === "queued" || status === "running";
}

export type RunState = {
  readonly epoch: number;
  /** 0: not admitted to the queue yet. */
  readonly ticket: number;
  readonly pool: ModelId;
} & (
  | { readonly status: "queued"; readonly notBefore: number | undefined }
  | { readonly status: "running"; readonly pausing: boolean }
  /** `notBefore`: a pause does not shorten the wait of a run that was not to start yet. */
  | { readonly status: "waiting"; readonly reason: WaitReason; readonly notBefore?: number | undefined }
  | { readonly status: TerminalStatus }
);

export type RunTransition =
  | { readonly kind: "admit" }
  | { readonly kind: "claim" }
  | { readonly kind: "handoff"; readonly pool: ModelId }
  | { readonly kind: "requeue"; readonly notBefore?: number }
  | { readonly kind: "wait"; readonly reason: WaitReason }
  | { readonly kind: "succeed" }
  | { readonly kind: "fail" }
  | { readonly kind: "cancel" }
  | { readonly kind: "pause" }
  | { readonly kind: "resume" }
  | { readonly kind: "retry"; readonly pool?: ModelId };

export type TransitionResult =
  | { readonly kind: "moved"; readonly state: RunState }
  | { readonly kind: "refused"; readonly why: string };

/** What `transition` does to `state`. Total: what is not allowed is refused, never undefined. */
export function transition(state: RunState, event: RunTransition): TransitionResult {
  switch (state.status) {
    case "queued":
      return fromQueued(state, event);
    case "running":
      return fromRunning(state, event);
    case "waiting":
      return fromWaiting(state, event);
    case "succeeded":
      return refused(state, event);
    case "failed":
    case "cancelled":
      return event.kind === "retry"
        ? enqueue(state, { pool: event.pool ?? state.pool })
        : refused(state, event);
  }
}

type Queued = Extract<RunState, { status: "queued" }>;
type Running = Extract<RunState, { status: "running" }>;
type Waiting = Extract<RunState, { status: "waiting" }>;

function fromQueued(state: Queued, event: RunTransition): TransitionResult {
  const isAdmitted = state.ticket > 0;
  switch (event.kind) {
    case "admit":
      return isAdmitted ? refused(state, event) : moved({ ...state, ticket: 1, notBefore: undefined });
    case "claim":
      return isAdmitted
        ? moved({ ...fence(state), status: "running", pausing: false })
        : refused(state, event);
    case "requeue":
      // It has no entry that it could have lost.
      if (!isAdmitted) return refused(state, event);
      // A run that waits for its time keeps waiting for it.
      return enqueue(state, { notBefore: state.notBefore, ...event });
    case "pause":
      return moved({
        ...fence(state),
        status: "waiting",
        reason: "paused",
        ...(state.notBefore === undefined ? {} : { notBefore: state.notBefore }),
      });
    case "cancel":
      return moved({ ...fence(state), status: "cancelled" });
    case "fail":
      return moved({ ...fence(state), status: "failed" });
    case "handoff":
    case "wait":
    case "succeed":
    case "resume":
    case "retry":
      return refused(state, event);
  }
}

function fromRunning(state: Running, event: RunTransition): TransitionResult {
  switch (event.kind) {
    case "claim":
      // A takeover; a pause that was asked for is honoured here instead.
      return state.pausing
        ? moved({ ...fence(state), status: "waiting", reason: "paused" })
        : moved({ ...fence(state), status: "running", pausing: false });
    case "handoff":
    case "requeue": {
      const next = enqueue(state, event);
      // A pausing run moves on in the conversation, but waits instead of being enqueued.
      return state.pausing && next.kind === "moved"
        ? moved({ ...fence(state), pool: next.state.pool, status: "waiting", reason: "paused" })
        : next;
    }
    case "wait":
      // A pause that was taken back meanwhile: the run goes on instead.
      if (event.reason === "paused" && !state.pausing) return enqueue(state, {});
      // A pause comes first: what else it waits for is seen again when it goes on.
      return moved({ ...fence(state), status: "waiting", reason: state.pausing ? "paused" : event.reason });
    case "succeed":
      return moved({ ...fence(state), status: "succeeded" });
    case "fail":
      return moved({ ...fence(state), status: "failed" });
    case "cancel":
      return moved({ ...fence(state), status: "cancelled" });
    case "pause":
      return moved({ ...state, pausing: true });
    case "resume":
      return state.pausing ? moved({ ...state, pausing: false }) : refused(state, event);
    case "retry":
    case "admit":
      return refused(state, event);
  }
}

function fromWaiting(state: Waiting, event: RunTransition): TransitionResult {
  switch (event.kind) {
    case "resume":
      return enqueue(state, { notBefore: state.notBefore });
    case "cancel":
      return moved({ ...fence(state), status: "cancelled" });
    case "fail":
      return moved({ ...fence(state), status: "failed" });
    case "pause":
      return state.reason === "paused" ? refused(state, event) : moved({ ...state, reason: "paused" });
    case "claim":
    case "handoff":
    case "requeue":
    case "wait":
    case "succeed":
    case "retry":
    case "admit":
      return refused(state, event);
  }
}

function fence(state: RunState): Pick<RunState, "epoch" | "ticket" | "pool"> {
  return { epoch: state.epoch + 1, ticket: state.ticket, pool: state.pool };
}

/**
 * Queued anew. From waiting or terminal the ticket rises by 2: a job of ticket + 1 may have been added beside the
 * commit that ended the last claim, and would swallow the new one. A run that was not admitted yet waits for that again.
 */
function enqueue(
  state: RunState,
  to: { readonly pool?: ModelId; readonly notBefore?: number | undefined },
): TransitionResult {
  const raised = state.ticket + (isLive(state.status) ? 1 : 2);
  return moved({
    epoch: state.epoch + 1,
    ticket: state.ticket === 0 ? 0 : raised,
    pool: to.pool ?? state.pool,
    status: "queued",
    notBefore: to.notBefore,
  });
}

function moved(state: RunState): TransitionResult {
  return { kind: "moved", state };
}

function refused(state: RunState, event: RunTransition): TransitionResult {
  return { kind: "refused", why: `a ${state.status} run takes no ${event.kind}` };
}
