/** Two listeners for one worker's hooks: meters and a tracer. */
import type { BatonError, ErrorCode, ModelReply, ToolCallPart } from "@baton/core";
import type { Claimed, Outcome } from "@baton/store";
import type { CallSignals, PhaseSignals, RunEnd, Signals, ToolSignals } from "@baton/worker";

export function joinSignals(first: Signals, second: Signals): Signals {
  return {
    phaseBegan: (claimed: Claimed) => joinPhases(first.phaseBegan(claimed), second.phaseBegan(claimed)),
    runEnded: (end: RunEnd) => {
      first.runEnded(end);
      second.runEnded(end);
    },
  };
}

function joinPhases(first: PhaseSignals, second: PhaseSignals): PhaseSignals {
  return {
    callBegan: () => joinCalls(first.callBegan(), second.callBegan()),
    toolBegan: (call: ToolCallPart) => joinTools(first.toolBegan(call), second.toolBegan(call)),
    toolAnswered: (outcome) => {
      first.toolAnswered(outcome);
      second.toolAnswered(outcome);
    },
    retried: (code: ErrorCode) => {
      first.retried(code);
      second.retried(code);
    },
    fenced: () => {
      first.fenced();
      second.fenced();
    },
    ended: (why: string, outcome: Outcome | undefined) => {
      first.ended(why, outcome);
      second.ended(why, outcome);
    },
    [Symbol.dispose]: () => {
      first[Symbol.dispose]();
      second[Symbol.dispose]();
    },
  };
}

function joinCalls(first: CallSignals, second: CallSignals): CallSignals {
  return {
    delta: () => {
      first.delta();
      second.delta();
    },
    replied: (reply: ModelReply, costUsd: number | null) => {
      first.replied(reply, costUsd);
      second.replied(reply, costUsd);
    },
    failed: (error: BatonError) => {
      first.failed(error);
      second.failed(error);
    },
    lost: () => {
      first.lost();
      second.lost();
    },
  };
}

function joinTools(first: ToolSignals, second: ToolSignals): ToolSignals {
  return {
    ended: (isError: boolean) => {
      first.ended(isError);
      second.ended(isError);
    },
    lost: () => {
      first.lost();
      second.lost();
    },
  };
}
