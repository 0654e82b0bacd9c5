/**
 * What a worker tells its meters and tracers, as hooks: the flow calls them and waits for none. A hook must not throw
 * and must not block. The default does nothing and makes nothing, so that a worker without meters pays for none.
 *
 *     phaseBegan ─ one for each claim ─┬─ callBegan ─ delta… ─ replied | failed | lost
 *                                      ├─ toolBegan ─ ended | lost
 *                                      └─ ended, with why and what was committed; disposing is for when nobody said
 */
import type { BatonError, ErrorCode, ModelId, ModelReply, RunId, ToolCallPart } from "@baton/core";
import type { Claimed, Outcome } from "@baton/store";

export interface Signals {
  /** A phase was claimed; the session's hooks follow on what it returns. */
  readonly phaseBegan: (claimed: Claimed) => PhaseSignals;
  /** A run came to an end outside of a phase: by a claim that found it past its time, or by the reconciler. */
  readonly runEnded: (end: RunEnd) => void;
}

export interface RunEnd {
  readonly runId: RunId;
  readonly pool: ModelId | undefined;
  readonly status: "succeeded" | "failed";
  /** Why it failed. */
  readonly code: string | undefined;
}

export interface PhaseSignals extends Disposable {
  readonly callBegan: () => CallSignals;
  readonly toolBegan: (call: ToolCallPart) => ToolSignals;
  /** A call was answered without being run: its outcome is unknown after a crash, or it cannot be run. */
  readonly toolAnswered: (outcome: "unknown" | "refused") => void;
  /** A model call failed and is tried again later. */
  readonly retried: (code: ErrorCode) => void;
  /** A write was refused: the claim does not hold any more (R2). */
  readonly fenced: () => void;
  /** The work on the claim is over. `outcome`: what was committed; undefined when nothing was. */
  readonly ended: (why: string, outcome: Outcome | undefined) => void;
}

export interface CallSignals {
  /** Something of the reply came in. Called for each delta: it must be cheap. */
  readonly delta: () => void;
  /** `costUsd`: null when the price is not known. */
  readonly replied: (reply: ModelReply, costUsd: number | null) => void;
  readonly failed: (error: BatonError) => void;
  /** The work was aborted. */
  readonly lost: () => void;
}

export interface ToolSignals {
  readonly ended: (isError: boolean) => void;
  readonly lost: () => void;
}

const nothing = (): void => undefined;
const NO_CALL: CallSignals = { delta: nothing, replied: nothing, failed: nothing, lost: nothing };
const NO_TOOL: ToolSignals = { ended: nothing, lost: nothing };
const NO_PHASE: PhaseSignals = {
  callBegan: () => NO_CALL,
  toolBegan: () => NO_TOOL,
  toolAnswered: nothing,
  retried: nothing,
  fenced: nothing,
  ended: nothing,
  [Symbol.dispose]: nothing,
};

export const NO_SIGNALS: Signals = { phaseBegan: () => NO_PHASE, runEnded: nothing };
