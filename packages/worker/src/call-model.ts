/**
 * One model call: streams its deltas to watchers and gives the reply as an item, to be written before anything acts
 * on it (R5). A call that fails is a value with its retry class; the flow decides what becomes of it.
 */
import {
  askPolicy,
  type BatonError,
  type ModelDelta,
  type ModelReply,
  type ModelRequest,
  type NewItem,
  type Policy,
  type PolicyDecision,
  type PolicyRules,
  type ToolCatalogue,
  toBatonError,
  type Usage,
} from "@baton/core";
import { instructionsOfTurn, type PhasePlan, toolsOfTurn } from "./phase-plan.ts";
import type { EventBody, PhaseSession } from "./phase-session.ts";
import { turnsIn, visibleItems } from "./phase-view.ts";
import type { WorkerDeps } from "./worker-deps.ts";

/** A reply on its way into the log: the item, what watchers are told, and what it cost. */
export interface Reply {
  readonly item: NewItem;
  readonly event: EventBody;
  readonly usage: Usage;
  /** By the price of now; null when it is not known. */
  readonly costUsd: number | null;
}

export type CallResult =
  | { readonly kind: "replied"; readonly reply: Reply }
  | { readonly kind: "lost" }
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
  const asking = askPolicy(policy, {
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
  // It is the operator's code: what it is about when the work is aborted is not waited for.
  return unlessAborted(asking, session.held.signal);
}

async function unlessAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

export async function callModel(
  session: PhaseSession,
  plan: PhasePlan,
  decision: PolicyDecision,
  catalogue: ToolCatalogue,
  deps: Pick<WorkerDeps, "adapters" | "price">,
): Promise<CallResult> {
  const { signal } = session.held;
  try {
    const adapter = deps.adapters(plan.model);
    const request = requestOf(session, plan, decision, catalogue);
    const reply = await adapter.call(request, (delta) => show(session, delta), signal);
    return { kind: "replied", reply: placeReply(session, plan, reply, deps.price) };
  } catch (thrown) {
    // An abort is no failure of the model: its cause is read from the claim.
    if (signal.aborted) return { kind: "lost" };
    return { kind: "failed", error: toBatonError(thrown) };
  }
}

function placeReply(
  session: PhaseSession,
  plan: PhasePlan,
  reply: ModelReply,
  price: WorkerDeps["price"],
): Reply {
  const { parts, stopReason, usage, origin } = reply;
  const costUsd = price(plan.model, usage);
  return {
    item: { role: "assistant", parts: [...parts], origin, usage, costUsd, stopReason },
    event: { type: "turn", model: plan.model, item: session.items.length, stopReason, usage },
    usage,
    costUsd,
  };
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
    ...(plan.callTimeoutMs === undefined ? {} : { timeoutMs: plan.callTimeoutMs }),
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
