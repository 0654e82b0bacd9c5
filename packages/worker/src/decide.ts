/**
 * Decides what comes next, from the conversation and the bounds alone: pure, so that a takeover decides what
 * the lost worker would have decided.
 *
 *   - no reply yet, or all of its calls answered → call the model
 *   - calls without a result → run them; those with a marker were started and are answered as unknown
 *   - ordinary calls answered and a transfer called → hand off; the first transfer wins
 *   - no calls → the phase is over: the next step of the pipeline, or the end of the run
 *   - calls that need a person's word wait for it, when all others have run
 *   - a failure that another model may do better → hand off to the next of `fallback`
 *   - before a call: a pause, a spent budget and the bounds stop it
 *
 * What failed a phase would fail it again on every look, so an explicit retry after it asks the model anew, and
 * turns are bounded from the last retry on.
 */
import {
  finalOutput,
  type HandoffPart,
  type Item,
  type ModelId,
  type RunSpec,
  type ToolCallPart,
} from "@baton/core";
import { type BudgetView, overBudget } from "./budget.ts";
import { fallbackStep } from "./fallback.ts";
import { type OpenTurn, openTurn, pipelineStep, repliesOf, sinceRetry, turnsIn } from "./phase-view.ts";

export interface View extends BudgetView {
  readonly spec: RunSpec;
  readonly items: readonly Item[];
  readonly phase: number;
  readonly model: ModelId;
  readonly turns: number;
  readonly handoffs: number;
  readonly maxTurns: number;
  readonly maxHandoffs: number;
  /** The other models of the run by the name of their transfer tool. */
  readonly transfers: ReadonlyMap<string, ModelId>;
  /** Names of the caller's own functions, which are not run here. */
  readonly clientTools: ReadonlySet<string>;
  /** Names of the tools whose calls wait for a person's approval. */
  readonly approvals: ReadonlySet<string>;
  readonly pausing: boolean;
}

export type Step =
  | { readonly kind: "call_model" }
  | {
      readonly kind: "run_tools";
      readonly calls: readonly ToolCallPart[];
      readonly unknown: readonly ToolCallPart[];
      /** Calls that a person approved. */
      readonly approved: ReadonlySet<string>;
      /** Place of the reply that made the calls. */
      readonly reply: number;
    }
  | {
      readonly kind: "handoff";
      readonly to: ModelId;
      readonly by: HandoffPart["by"];
      readonly reason: string;
      readonly brief: string;
      readonly call: ToolCallPart | undefined;
      /** Further transfers of the same turn: they get a result that says so. */
      readonly losers: readonly ToolCallPart[];
    }
  | { readonly kind: "wait"; readonly reason: "client_tools" | "paused" }
  | { readonly kind: "wait"; readonly reason: "budget"; readonly detail: string; readonly ofBatch?: true }
  | { readonly kind: "wait"; readonly reason: "approval"; readonly calls: readonly ToolCallPart[] }
  | { readonly kind: "succeed"; readonly notice: string | undefined }
  | { readonly kind: "fail"; readonly code: string; readonly message: string };

export function decide(view: View): Step {
  const turn = openTurn(view.items, view.phase);
  if (turn === undefined) return nextCall(view);
  const step = decideTurn(view, turn);
  if (step.kind !== "fail") return step;
  return turn.retried ? nextCall(view) : (fallbackStep(view, step) ?? step);
}

function decideTurn(view: View, turn: OpenTurn): Step {
  const { stopReason } = turn.reply;
  if (stopReason === "refusal") return fail("refusal", `${view.model} refused to answer`);
  if (stopReason === "content_filter")
    return fail("content_filter", `the content filter of ${view.model} cut its reply`);
  if (stopReason === "context_exceeded") {
    return fail("context_too_long", `the conversation no longer fits the context window of ${view.model}`);
  }
  if (turn.calls.length > 0) return decideCalls(view, turn);
  if (stopReason === "pause_turn") return nextCall(view);
  return endPhase(view, turn.reply);
}

function decideCalls(view: View, turn: OpenTurn): Step {
  const { answered, started, approved } = turn;
  const open = turn.calls.filter((call) => !answered.has(call.callId));
  const ordinary = open.filter((call) => !view.transfers.has(call.name) && !view.clientTools.has(call.name));
  const asking = ordinary.filter((call) => asksApproval(view, call) && !approved.has(call.callId));
  const ready = ordinary.filter((call) => !asking.includes(call));
  if (ready.length > 0) {
    return {
      kind: "run_tools",
      calls: ready.filter((call) => !started.has(call.callId)),
      unknown: ready.filter((call) => started.has(call.callId)),
      approved,
      reply: turn.reply.seq,
    };
  }
  if (asking.length > 0) return { kind: "wait", reason: "approval", calls: asking };
  if (open.some((call) => view.clientTools.has(call.name))) {
    if (view.spec.client_tools === "end") return { kind: "succeed", notice: undefined };
    return { kind: "wait", reason: "client_tools" };
  }
  const [call, ...losers] = open;
  const to = call === undefined ? undefined : view.transfers.get(call.name);
  if (call === undefined || to === undefined) return nextCall(view);
  if (view.handoffs >= view.maxHandoffs) {
    return fail(
      "max_handoffs",
      `${view.model} handed off once more than the ${view.maxHandoffs} that max_handoffs allows: raise it, or retry with a model that ends the run`,
    );
  }
  const { reason, brief } = transferArguments(call);
  return { kind: "handoff", to, by: "model", reason, brief, call, losers };
}

/** A call that cannot run is answered with its error, without a person's word. */
function asksApproval(view: View, call: ToolCallPart): boolean {
  return view.approvals.has(call.name) && call.arguments.kind === "object";
}

function nextCall(view: View): Step {
  if (view.pausing) return { kind: "wait", reason: "paused" };
  const recent = sinceRetry(view.items);
  const turns = recent === undefined ? view.turns : repliesOf(recent).length;
  if (turns >= view.maxTurns) {
    return fail(
      "max_turns",
      `the run took the ${view.maxTurns} turns that max_turns allows without an end: a retry lets it take as many again`,
    );
  }
  const phaseMax = pipelineStep(view.spec, view.items)?.now.max_turns;
  if (phaseMax !== undefined && turnsIn(recent ?? view.items, view.phase) >= phaseMax) {
    return fail(
      "max_turns",
      `phase ${view.phase} took the ${phaseMax} turns that its max_turns allows without an end: a retry lets it take as many again`,
    );
  }
  const spent = overBudget(view);
  if (spent !== undefined) {
    const ofBatch = view.batch?.spent === true && overBudget({ ...view, batch: undefined }) === undefined;
    return { kind: "wait", reason: "budget", detail: spent, ...(ofBatch ? { ofBatch } : {}) };
  }
  return { kind: "call_model" };
}

function endPhase(view: View, reply: Item): Step {
  const next = pipelineStep(view.spec, view.items)?.next;
  const cut = reply.stopReason === "length";
  if (next !== undefined) {
    if (cut)
      return fail(
        "output_limit",
        `${view.model} ran into its output limit in phase ${view.phase}: raise max_output_tokens`,
      );
    const brief = next.instructions === undefined ? "Go on with the task from here." : "";
    return {
      kind: "handoff",
      to: next.model,
      by: "pipeline",
      reason: "",
      brief,
      call: undefined,
      losers: [],
    };
  }
  if (finalOutput([reply]) === "") {
    return fail(
      "output_limit",
      `${view.model} ended without any text${cut ? ", at its output limit: raise max_output_tokens" : ""}`,
    );
  }
  return { kind: "succeed", notice: cut ? "the text was cut at the model's output limit" : undefined };
}

function transferArguments(call: ToolCallPart): { readonly reason: string; readonly brief: string } {
  if (call.arguments.kind === "invalid") return { reason: "", brief: call.arguments.raw };
  const { reason, brief } = call.arguments.value;
  return { reason: typeof reason === "string" ? reason : "", brief: typeof brief === "string" ? brief : "" };
}

function fail(code: string, message: string): Step {
  return { kind: "fail", code, message };
}
