/**
 * The life of a queue entry, whole: claim → converse → decide → commit.
 *
 *     claim     fences the run to this worker, and reads its conversation                       (R2)
 *     decide    says what comes next, from the conversation alone, so that a takeover agrees
 *     converse  calls the model or runs tools; each reply and result is written before it is used (R5)
 *     commit    ends the claim: items, status and next pool in one script, once a ticket        (R7)
 *     enqueue   adds the next phase's job right behind the commit; claim judges, the reconciler heals (R4)
 *
 * Nothing here lives only in memory: at any line this process may die, and another goes on from the last item.
 */
import { isRetryable, type ModelId, newClaimId, type ToolCatalogue } from "@baton/core";
import type { ClaimReply, QueueEntry } from "@baton/store";
import { backoffMs } from "./backoff.ts";
import { callModel, decisionOfTurn } from "./call-model.ts";
import type { HeldJob } from "./claim-keeper.ts";
import { decide, type Step, type View } from "./decide.ts";
import { endOf } from "./end-phase.ts";
import { type PhasePlan, planPhase } from "./phase-plan.ts";
import { PhaseSession } from "./phase-session.ts";
import { runTools } from "./run-tools.ts";
import type { WorkerDeps } from "./worker-deps.ts";

/** What becomes of the queue's job: it is done with, or comes back after a while. */
export type JobVerdict =
  | { readonly kind: "done"; readonly why: string }
  | { readonly kind: "later"; readonly ms: number };

const AHEAD_MS = 1_000;
const UNFIT_MS = 5_000;

export async function runPhase(entry: QueueEntry, job: HeldJob, deps: WorkerDeps): Promise<JobVerdict> {
  const claimed = await deps.ledger.claim({
    entry,
    claimId: newClaimId(deps.ids),
    capabilities: deps.capabilities,
    unfitGraceMs: deps.config.limits.unfitGraceMs,
    takeoversMax: deps.config.limits.takeoversMax,
  });
  if (claimed.kind !== "claimed") return verdictOf(claimed);
  using held = deps.claims.hold(claimed.claim, job);
  const session = new PhaseSession(claimed, held, deps);
  const why = await converse(session, planPhase(session, deps.config), deps);
  if (why === "lost" && held.aborted === "hand_back") {
    // Stopping: what was written stays, the rest of the phase goes back to the queue.
    await session.end({ kind: "requeue", delayMs: 0, tries: session.tries }, [], []);
    return { kind: "done", why: "handed back" };
  }
  return { kind: "done", why };
}

/** Turns until the phase ends or the claim is lost; says which. */
async function converse(session: PhaseSession, plan: PhasePlan, deps: WorkerDeps): Promise<string> {
  const catalogue = await listTools(session, plan, deps);
  while (!session.held.signal.aborted) {
    const step = decide(viewOf(session, plan));
    const result = await take(step, session, plan, catalogue, deps);
    if (result !== "written") return result;
  }
  return "lost";
}

/** Takes one step. `written`: the conversation grew, decide again. Anything else ends the work on this claim. */
async function take(
  step: Step,
  session: PhaseSession,
  plan: PhasePlan,
  catalogue: ToolCatalogue,
  deps: WorkerDeps,
): Promise<string> {
  switch (step.kind) {
    case "call_model":
      return takeTurn(session, plan, catalogue, deps);
    case "run_tools":
      return runTools(session, plan, step, catalogue, deps.tools, deps.config.limits.parallelToolCalls);
    case "handoff":
    case "wait":
    case "succeed":
    case "fail": {
      const { outcome, items, events } = endOf(step, plan);
      const ended = await session.end(outcome, items, events);
      return ended.kind === "lost" ? "lost" : step.kind;
    }
  }
}

async function takeTurn(
  session: PhaseSession,
  plan: PhasePlan,
  catalogue: ToolCatalogue,
  deps: WorkerDeps,
): Promise<string> {
  const decision = await decisionOfTurn(session, plan, deps.config.policies, catalogue);
  if (decision.stop !== undefined) {
    return take(
      { kind: "fail", code: "policy_stopped", message: decision.stop },
      session,
      plan,
      catalogue,
      deps,
    );
  }
  if (decision.maxTurns !== undefined && session.turns >= decision.maxTurns) {
    const message = `the policy ${session.spec.policy} allows ${decision.maxTurns} turns`;
    return take({ kind: "fail", code: "max_turns", message }, session, plan, catalogue, deps);
  }
  if (decision.model !== undefined && decision.model !== plan.model) {
    return handOffByPolicy(decision.model, session, plan);
  }
  const called = await callModel(session, plan, decision, catalogue, deps.adapters);
  if (called.kind !== "failed") return called.kind;
  const { error } = called;
  const tries = session.tries + 1;
  deps.log.warn(
    { runId: session.held.claim.runId, model: plan.model, code: error.code, tries },
    error.message,
  );
  const notice = { type: "notice" as const, code: error.code, message: error.message };
  if (!isRetryable(error) || tries >= deps.config.limits.modelAttemptsMax) {
    const ended = await session.end(
      { kind: "failed", code: error.code, message: error.message },
      [],
      [notice],
    );
    return ended.kind === "lost" ? "lost" : "fail";
  }
  const delayMs = backoffMs(error.retry, tries, deps.ids);
  const ended = await session.end({ kind: "requeue", delayMs, tries }, [], [notice]);
  return ended.kind === "lost" ? "lost" : "backoff";
}

async function handOffByPolicy(to: ModelId, session: PhaseSession, plan: PhasePlan): Promise<string> {
  const known = plan.models.includes(to);
  const reason = `the policy ${session.spec.policy} chose ${to}`;
  const { outcome, items, events } = endOf(
    known
      ? { kind: "handoff", to, by: "policy", reason, brief: "", call: undefined, losers: [] }
      : { kind: "fail", code: "policy_stopped", message: `${reason}, which is not one of the run's models` },
    plan,
  );
  const ended = await session.end(outcome, items, events);
  return ended.kind === "lost" ? "lost" : "handoff";
}

/** The tools of the phase. A server that is down is told to the people who watch; the phase goes on without it. */
async function listTools(session: PhaseSession, plan: PhasePlan, deps: WorkerDeps): Promise<ToolCatalogue> {
  const { servers, functions } = plan.selection;
  if (servers.length === 0 && functions.length === 0) return { tools: [], problems: [] };
  const catalogue = await deps.tools.list(plan.selection, session.held.signal);
  for (const { server, message } of catalogue.problems) {
    session.show({ type: "notice", code: "server_unavailable", message: `${server}: ${message}` });
  }
  return catalogue;
}

function viewOf(session: PhaseSession, plan: PhasePlan): View {
  return {
    spec: session.spec,
    items: session.items,
    phase: session.phase,
    model: plan.model,
    turns: session.turns,
    handoffs: session.handoffs,
    maxTurns: plan.maxTurns,
    maxHandoffs: plan.maxHandoffs,
    transfers: new Map(plan.handoffTools.map((tool) => [tool.definition.name, tool.to])),
    clientTools: new Set(plan.clientTools.map((tool) => tool.name)),
    pausing: session.held.pausing,
  };
}

function verdictOf(reply: Exclude<ClaimReply, { kind: "claimed" }>): JobVerdict {
  switch (reply.kind) {
    case "finished":
      return { kind: "done", why: reply.why };
    case "ahead":
      return { kind: "later", ms: AHEAD_MS };
    case "early":
      return { kind: "later", ms: reply.waitMs };
    case "unfit":
      return { kind: "later", ms: UNFIT_MS };
  }
}
