/**
 * One model call: streams its deltas to watchers, and writes the reply before anything acts on it (R5). A call
 * that fails is a value with its retry class; the turn loop decides what becomes of it.
 */
import {
  type AdapterLookup,
  askPolicy,
  type BatonError,
  type ModelDelta,
  type ModelReply,
  type ModelRequest,
  type Policy,
  type PolicyDecision,
  type PolicyRules,
  type ToolCatalogue,
  toBatonError,
} from "@baton/core";
import { instructionsOfTurn, type PhasePlan, toolsOfTurn } from "./phase-plan.ts";
import type { PhaseSession } from "./phase-session.ts";
import { turnsIn, visibleItems } from "./phase-view.ts";

export type CallResult =
  | { readonly kind: "written" | "lost" }
  | { readonly kind: "failed"; readonly error: BatonError };

/** Asks the run's policy, if it has one, what this turn should be. */
export async function decisionOfTurn(
  session: PhaseSession,
  plan: PhasePlan,
  policies: Readonly<Record<string, Policy | PolicyRules>>,
  catalogue: ToolCatalogue,
): Promise<PolicyDecision> {
  const policy = session.spec.policy === undefined ? undefined : policies[session.spec.policy];
  if (policy === undefined) return {};
  return askPolicy(policy, {
    runId: session.held.claim.runId,
    model: plan.model,
    models: plan.models,
    phase: session.phase,
    turns: session.turns,
    phaseTurns: turnsIn(session.items, session.phase),
    handoffs: session.handoffs,
    tools: toolsOfTurn(plan, catalogue, {}, session.handoffs).map((tool) => tool.name),
    items: session.items,
    metadata: session.spec.metadata ?? {},
  });
}

export async function callModel(
  session: PhaseSession,
  plan: PhasePlan,
  decision: PolicyDecision,
  catalogue: ToolCatalogue,
  adapters: AdapterLookup,
): Promise<CallResult> {
  const { signal } = session.held;
  let reply: ModelReply;
  try {
    const adapter = adapters(plan.model);
    reply = await adapter.call(
      requestOf(session, plan, decision, catalogue),
      (delta) => show(session, delta),
      signal,
    );
  } catch (thrown) {
    // An abort is no failure of the model: its cause is read from the claim.
    if (signal.aborted) return { kind: "lost" };
    return { kind: "failed", error: toBatonError(thrown) };
  }
  const { parts, stopReason, usage, origin } = reply;
  const event = { type: "turn" as const, model: plan.model, item: session.items.length, stopReason, usage };
  const written = await session.write(
    [{ role: "assistant", parts: [...parts], origin, usage, stopReason }],
    [event],
    { usage },
  );
  return { kind: written };
}

function requestOf(
  session: PhaseSession,
  plan: PhasePlan,
  decision: PolicyDecision,
  catalogue: ToolCatalogue,
): ModelRequest {
  const { spec } = session;
  const tools = toolsOfTurn(plan, catalogue, decision, session.handoffs);
  // A forced tool is forced once: on every turn it would never let the model end.
  const forced = spec.tool_choice !== undefined && spec.tool_choice !== "auto" && spec.tool_choice !== "none";
  return {
    model: plan.model,
    instructions: instructionsOfTurn(plan, decision),
    items: visibleItems(session.items),
    tools,
    toolChoice: tools.length === 0 || (forced && session.turns > 0) ? undefined : spec.tool_choice,
    settings: plan.settings,
    responseFormat: spec.response_format,
  };
}

function show(session: PhaseSession, delta: ModelDelta): void {
  switch (delta.kind) {
    case "text":
      session.show({ type: "text", text: delta.text });
      return;
    case "reasoning":
      session.show({ type: "reasoning", text: delta.text });
      return;
    case "dropped_setting":
      session.show({ type: "notice", code: "dropped_setting", message: `${delta.setting}: ${delta.why}` });
      return;
    case "tool_call":
      // The call is shown when it starts to run; until then the model may still be writing its arguments.
      return;
  }
}
