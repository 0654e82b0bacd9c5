/**
 * The life of a queue entry, whole: claim → converse → decide → commit.
 *
 *     claim     fences the run to this worker, and reads its conversation                       (R2)
 *     decide    says what comes next, from the conversation alone, so that a takeover agrees
 *     converse  calls the model or runs tools; each reply and result is written before it is used (R5)
 *     commit    ends the claim: last items, status and next pool in one script, once a ticket   (R7)
 *     enqueue   adds the next phase's job right behind the commit; claim judges, the reconciler heals (R4)
 *
 * Nothing here lives only in memory: at any line this process may die, and another goes on from the last item.
 */
import {
  BatonError,
  type Item,
  NO_USAGE,
  newClaimId,
  type PolicyDecision,
  TIMER_MS_MAX,
  type ToolCatalogue,
  toBatonError,
} from "@baton/core";
import type { ClaimReply, QueueEntry } from "@baton/store";
import { ReplyError } from "ioredis";
import { afterFailure } from "./after-failure.ts";
import { callModel, decisionOfTurn, type Reply } from "./call-model.ts";
import type { HeldJob } from "./claim-keeper.ts";
import { decide, type Step, type View } from "./decide.ts";
import { type EndStep, endOf } from "./end-phase.ts";
import { type PhasePlan, planPhase } from "./phase-plan.ts";
import { PhaseSession } from "./phase-session.ts";
import { runTools } from "./run-tools.ts";
import { afterUnreadable } from "./unreadable-run.ts";
import { comeBack, waitForPool } from "./wait-for-pool.ts";
import type { WorkerDeps } from "./worker-deps.ts";

/** What becomes of the queue's job: it is done with, or comes back after a while. */
export type JobVerdict =
  | { readonly kind: "done"; readonly why: string }
  | { readonly kind: "later"; readonly ms: number };

const AHEAD_MS = 1_000;
const UNFIT_MS = 5_000;

export async function runPhase(entry: QueueEntry, job: HeldJob, deps: WorkerDeps): Promise<JobVerdict> {
  let claimed: ClaimReply;
  try {
    claimed = await claim(entry, deps);
  } catch (error) {
    return deps.refusals.refused(entry, error);
  }
  deps.refusals.answered(entry);
  if (claimed.kind === "unreadable") return afterUnreadable(claimed, deps);
  if (claimed.kind !== "claimed") return verdictOf(claimed, entry, deps);
  const { phase, takeover, attempt } = claimed;
  const { runId, epoch } = claimed.claim;
  deps.log.debug({ runId, epoch, phase, attempt, takeover, model: entry.pool }, "claimed");
  using held = deps.claims.hold(claimed.claim, job);
  using signals = deps.signals.phaseBegan(claimed);
  const session = new PhaseSession(claimed, held, deps, signals);
  const told = await converseSafely(session, deps);
  const why = told === "lost" ? await afterAbort(session) : told;
  signals.ended(why, session.outcome);
  return { kind: "done", why };
}

function claim(entry: QueueEntry, deps: WorkerDeps): Promise<ClaimReply> {
  return deps.ledger.claim({
    entry,
    claimId: newClaimId(deps.ids),
    capabilities: deps.capabilities,
    unfitGraceMs: deps.config.limits.unfitGraceMs,
    takeoversMax: deps.config.limits.takeoversMax,
  });
}

/** The claim still holds when the abort was this worker's own: what was written stays. */
async function afterAbort(session: PhaseSession): Promise<string> {
  switch (session.held.aborted) {
    case "hand_back":
      await session.end({ kind: "requeue", delayMs: 0, tries: session.tries }, [], []);
      return "handed back";
    case "timeout": {
      const message = `phase ${session.phase} took longer than its timeout: a retry gives it as long again`;
      await session.end({ kind: "failed", code: "phase_timeout", message }, [], []);
      return "timeout";
    }
    case "fenced":
    case undefined:
      return "lost";
  }
}

/**
 * A bug must not make the run go round for ever: what breaks outside a model or a tool fails it, with the error. A
 * Redis that refuses a command is no bug of the run: the job fails, and the reconciler queues the run again.
 */
async function converseSafely(session: PhaseSession, deps: WorkerDeps): Promise<string> {
  try {
    return await converse(session, planPhase(session, deps.config), deps);
  } catch (thrown) {
    if (session.held.signal.aborted) return "lost";
    if (thrown instanceof ReplyError || isFull(thrown)) throw thrown;
    const error = toBatonError(thrown);
    deps.log.error({ runId: session.held.claim.runId, err: error }, "the phase broke");
    const ended = await session.end({ kind: "failed", code: error.code, message: error.message }, [], []);
    return ended.kind === "lost" ? "lost" : "fail";
  }
}

function isFull(thrown: unknown): boolean {
  return thrown instanceof BatonError && thrown.code === "redis_full";
}

/** Turns until the phase ends or the claim is lost; says which. */
async function converse(session: PhaseSession, plan: PhasePlan, deps: WorkerDeps): Promise<string> {
  using _timer = phaseTimer(session, plan);
  const catalogue = await listTools(session, plan, deps);
  while (!session.held.signal.aborted) {
    const step = decide(viewOf(session, plan, session.items, catalogue, deps));
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
    case "fail":
      return end(step, session, plan);
  }
}

/** Ends the claim as `step` says. A reply that ended the phase is written by the same commit. */
async function end(step: EndStep, session: PhaseSession, plan: PhasePlan, reply?: Reply): Promise<string> {
  const { outcome, items, events } = endOf(step, plan);
  const ended =
    reply === undefined
      ? await session.end(outcome, items, events)
      : await session.end(outcome, [reply.item, ...items], [reply.event, ...events], reply);
  return ended.kind === "lost" ? "lost" : step.kind;
}

async function takeTurn(
  session: PhaseSession,
  plan: PhasePlan,
  catalogue: ToolCatalogue,
  deps: WorkerDeps,
): Promise<string> {
  const decision = await decisionOfTurn(session, plan, deps.config.policies, catalogue);
  const ruled = ruledOut(decision, session, plan);
  if (ruled !== undefined) return end(ruled, session, plan);
  const pool = await waitForPool(session, plan.model, deps);
  // What was decided before a wait is old: a pause, another hold or a spent budget may have come meanwhile.
  if (pool !== "free") return pool === "waited" ? "written" : pool;
  const called = await callModel(session, plan, decision, catalogue, deps);
  switch (called.kind) {
    case "lost":
      return "lost";
    case "waited":
      return "written";
    case "later":
      return comeBack(session, called);
    case "failed":
      return afterFailure(called, session, plan, deps);
    case "replied": {
      const { reply } = called;
      const next = decide(viewOf(session, plan, session.with([reply.item]), catalogue, deps));
      if (next.kind !== "call_model" && next.kind !== "run_tools") return end(next, session, plan, reply);
      return session.write([reply.item], [reply.event], reply);
    }
  }
}

/** What the policy makes of the turn, when it is not a call of this model. */
function ruledOut(decision: PolicyDecision, session: PhaseSession, plan: PhasePlan): EndStep | undefined {
  const { policy } = session.spec;
  if (decision.stop !== undefined) return { kind: "fail", code: "policy_stopped", message: decision.stop };
  if (decision.maxTurns !== undefined && session.turns >= decision.maxTurns) {
    return {
      kind: "fail",
      code: "max_turns",
      message: `the policy ${policy} allows ${decision.maxTurns} turns`,
    };
  }
  const { model: to } = decision;
  if (to === undefined || to === plan.model) return undefined;
  const reason = `the policy ${policy} chose ${to}`;
  if (!plan.models.includes(to)) {
    return {
      kind: "fail",
      code: "policy_stopped",
      message: `${reason}, which is not one of the run's models`,
    };
  }
  const handoffsMax = decision.maxHandoffs ?? plan.maxHandoffs;
  if (session.handoffs >= handoffsMax) {
    return {
      kind: "fail",
      code: "max_handoffs",
      message: `${reason} after ${handoffsMax} handoffs, which is all that max_handoffs allows`,
    };
  }
  return { kind: "handoff", to, by: "policy", reason, brief: "", call: undefined, losers: [] };
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

/** Aborts the work when the phase has used its time up. */
function phaseTimer(session: PhaseSession, plan: PhasePlan): Disposable {
  if (plan.timeoutMs === 0) return { [Symbol.dispose]: () => undefined };
  const left = plan.timeoutMs - session.workedMs;
  // Nothing is left: not one call more is made.
  if (left <= 0) session.held.abort("timeout");
  const timer = setTimeout(() => session.held.abort("timeout"), Math.min(Math.max(0, left), TIMER_MS_MAX));
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

function viewOf(
  session: PhaseSession,
  plan: PhasePlan,
  items: readonly Item[],
  catalogue: ToolCatalogue,
  deps: WorkerDeps,
): View {
  return {
    spec: session.spec,
    items,
    phase: session.phase,
    model: plan.model,
    turns: session.turns,
    handoffs: session.handoffs,
    maxTurns: plan.maxTurns,
    maxHandoffs: plan.maxHandoffs,
    transfers: new Map(plan.handoffTools.map((tool) => [tool.definition.name, tool.to])),
    clientTools: new Set(plan.clientTools.map((tool) => tool.name)),
    approvals: new Set(catalogue.tools.filter((tool) => tool.approval).map((tool) => tool.name)),
    isPriced: () => deps.price(plan.model, NO_USAGE) !== null,
    batch: session.batch,
    pausing: session.held.pausing,
  };
}

/** Why a claim fails a run instead of taking it; the next one finds it `failed`. */
const ENDED_BY_CLAIM: ReadonlySet<string> = new Set(["deadline", "config_missing", "poison"]);

function verdictOf(
  reply: Exclude<ClaimReply, { kind: "claimed" | "unreadable" }>,
  entry: QueueEntry,
  deps: WorkerDeps,
): JobVerdict {
  switch (reply.kind) {
    case "finished":
      if (ENDED_BY_CLAIM.has(reply.why)) {
        deps.signals.runEnded({ ...entry, status: "failed", code: reply.why });
      }
      return { kind: "done", why: reply.why };
    case "ahead":
      return { kind: "later", ms: AHEAD_MS };
    case "early":
      return { kind: "later", ms: reply.waitMs };
    case "unfit":
      return { kind: "later", ms: UNFIT_MS };
  }
}
