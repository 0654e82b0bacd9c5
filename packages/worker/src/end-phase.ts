/** What a step that ends the claim writes: the outcome, the last items, and what watchers are told. */
import type { HandoffPart, NewItem } from "@baton/core";
import type { Outcome } from "@baton/store";
import type { Step } from "./decide.ts";
import type { PhasePlan } from "./phase-plan.ts";
import type { EventBody } from "./phase-session.ts";
import { errorOutcome, resultPart } from "./run-tools.ts";

type HandoffStep = Extract<Step, { kind: "handoff" }>;
type WaitStep = Extract<Step, { kind: "wait" }>;
export type EndStep = Extract<Step, { kind: "handoff" | "wait" | "succeed" | "fail" }>;

export interface PhaseEnd {
  readonly outcome: Outcome;
  readonly items: readonly NewItem[];
  readonly events: readonly EventBody[];
}

export function endOf(step: EndStep, plan: PhasePlan): PhaseEnd {
  switch (step.kind) {
    case "handoff":
      return handOff(step, plan);
    case "wait":
      return wait(step);
    case "succeed": {
      const events: EventBody[] =
        step.notice === undefined ? [] : [{ type: "notice", code: "output_limit", message: step.notice }];
      return { outcome: { kind: "succeeded" }, items: [], events };
    }
    case "fail":
      return { outcome: { kind: "failed", code: step.code, message: step.message }, items: [], events: [] };
  }
}

/** What a person is asked stands in the log, so that the answer can name it. */
function wait(step: WaitStep): PhaseEnd {
  switch (step.reason) {
    case "client_tools":
    case "paused":
      return { outcome: { kind: "wait", reason: step.reason }, items: [], events: [] };
    case "budget":
      return {
        outcome: { kind: "wait", reason: "budget", detail: step.detail, ofBatch: step.ofBatch },
        items: [],
        events: [{ type: "notice", code: "budget", message: step.detail }],
      };
    case "approval": {
      const calls = step.calls.map((call) => call.callId);
      const names = [...new Set(step.calls.map((call) => call.name))].join(", ");
      return {
        outcome: { kind: "wait", reason: "approval", detail: `a person's word on the call of ${names}` },
        items: [{ role: "control", parts: [{ type: "record", act: "ask", detail: { calls } }] }],
        events: [],
      };
    }
  }
}

/**
 * A handoff closes the tool loop: the transfer call gets its result, then a plain user message, the brief,
 * opens the next phase. Transfers that lost get a result that says so.
 */
function handOff(step: HandoffStep, plan: PhasePlan): PhaseEnd {
  const results: NewItem[] = step.losers.map((call) => ({
    role: "tool",
    parts: [
      resultPart(
        call,
        errorOutcome(`Not handed over: control went to ${step.to}, which was asked for first.`),
      ),
    ],
  }));
  if (step.call !== undefined) {
    const content = [{ type: "text" as const, text: `Control was handed over to ${step.to}.` }];
    results.unshift({ role: "tool", parts: [resultPart(step.call, { isError: false, content })] });
  }
  const part: HandoffPart = {
    type: "handoff",
    from: plan.model,
    to: step.to,
    reason: step.reason,
    brief: step.brief,
    // One that steps in for another must see what that one saw.
    context: step.by === "fallback" ? "full" : plan.handoffContext,
    by: step.by,
  };
  return {
    outcome: { kind: "handoff", pool: step.to, failed: step.by === "fallback" },
    items: [...results, { role: "user", parts: [part] }],
    events: [{ type: "handoff", from: plan.model, to: step.to, reason: step.reason }],
  };
}
