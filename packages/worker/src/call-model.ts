/**
 * One model call: streams its deltas to watchers and gives the reply as an item, to be written before anything acts
 * on it (R5). A call that fails is a value with its retry class; the flow decides what becomes of it.
 */
import {
  abortable,
  askPolicy,
  type BatonError,
  type ModelDelta,
  type ModelId,
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
import type { Permit } from "./account-limits.ts";
import { instructionsOfTurn, type PhasePlan, toolsOfTurn } from "./phase-plan.ts";
import type { EventBody, PhaseSession } from "./phase-session.ts";
import { turnsIn, visibleItems } from "./phase-view.ts";
import { readableCalls } from "./readable-calls.ts";
import { wellFormedPart } from "./well-formed.ts";
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
  /** Time has passed before its turn came, and the pool is held by now or the run is to pause: decide again. */
  | { readonly kind: "waited" }
  /** Its account's limit leaves room in `ms`, and not before. */
  | { readonly kind: "later"; readonly ms: number; readonly limit: string }
  | { readonly kind: "lost" }
  /** `refused`: the pools that a rate limit is meant for. */
  | { readonly kind: "failed"; readonly error: BatonError; readonly refused: readonly ModelId[] };

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
  return abortable(asking, session.held.signal);
}

/** Makes the call when the limits of its account leave room for it. */
export async function callModel(
  session: PhaseSession,
  plan: PhasePlan,
  decision: PolicyDecision,
  catalogue: ToolCatalogue,
  deps: Pick<WorkerDeps, "adapters" | "price" | "limits" | "holds">,
): Promise<CallResult> {
  const request = requestOf(session, plan, decision, catalogue);
  const admission = await deps.limits.admit(request, session.held.signal);
  if (admission.kind !== "go") return admission;
  if (admission.waited && (session.held.pausing || deps.holds.msOf(plan.model) > 0)) {
    admission.permit.withdraw();
    return { kind: "waited" };
  }
  return makeCall(session, plan, request, catalogue, admission.permit, deps);
}

async function makeCall(
  session: PhaseSession,
  plan: PhasePlan,
  request: ModelRequest,
  catalogue: ToolCatalogue,
  permit: Permit,
  deps: Pick<WorkerDeps, "adapters" | "price">,
): Promise<CallResult> {
  const { signal } = session.held;
  const call = session.signals.callBegan();
  let hasOutput = false;
  try {
    const adapter = deps.adapters(plan.model);
    const onDelta = (delta: ModelDelta): void => {
      if (isOutput(delta)) {
        hasOutput = true;
        call.delta();
      }
      if (delta.kind === "rate_limit") permit.learn(delta.report);
      show(session, delta);
    };
    const reply = await adapter.call(request, onDelta, signal);
    permit.settle(reply.usage);
    const placed = placeReply(session, plan, reply, catalogue, deps.price);
    call.replied(reply, placed.costUsd);
    return { kind: "replied", reply: placed };
  } catch (thrown) {
    // An abort is no failure of the model: its cause is read from the claim.
    if (signal.aborted) {
      permit.abandon();
      call.lost();
      return { kind: "lost" };
    }
    const error = toBatonError(thrown);
    call.failed(error);
    return { kind: "failed", error, refused: permit.fail(error, hasOutput) };
  }
}

/** Whether something of the reply itself came in. */
function isOutput({ kind }: ModelDelta): boolean {
  return kind === "text" || kind === "reasoning" || kind === "tool_call";
}

function placeReply(
  session: PhaseSession,
  plan: PhasePlan,
  reply: ModelReply,
  { problems }: ToolCatalogue,
  price: WorkerDeps["price"],
): Reply {
  const { stopReason, usage, origin } = reply;
  const costUsd = price(plan.model, usage);
  return {
    item: {
      role: "assistant",
      parts: readableCalls(reply).map(wellFormedPart),
      origin,
      usage,
      costUsd,
      stopReason,
      ...withoutServers(problems),
    },
    event: { type: "turn", model: plan.model, item: session.items.length, stopReason, usage },
    usage,
    costUsd,
  };
}

/** Who asks for the answer later, when events are gone, is told here what the model did not have. */
function withoutServers(problems: ToolCatalogue["problems"]): Pick<NewItem, "serverErrors"> {
  return problems.length === 0
    ? {}
    : { serverErrors: problems.map(({ server, message }) => ({ server, message })) };
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
    case "rate_limit":
      return;
    case "tool_call":
      // The call is shown when it starts to run; until then the model may still be writing its arguments.
      return;
  }
}
