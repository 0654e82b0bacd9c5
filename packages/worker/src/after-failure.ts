/**
 * What becomes of a phase whose model call failed: it is queued again with a delay, control falls back to another
 * model, or the run fails. Each attempt is counted and told to watchers. A rate limit slows all down
 * that it is meant for, the pool or its whole account, and is counted apart, since it says nothing of the run.
 */
import { isRetryable, type ModelId } from "@baton/core";
import type { Tries } from "@baton/store";
import { backoffMs } from "./backoff.ts";
import type { CallResult } from "./call-model.ts";
import { endOf } from "./end-phase.ts";
import { fallbackStep } from "./fallback.ts";
import type { PhasePlan } from "./phase-plan.ts";
import type { EventBody, PhaseSession } from "./phase-session.ts";
import { attemptsOfRetry } from "./phase-view.ts";
import type { WorkerDeps } from "./worker-deps.ts";

/**
 * Rate limits in a row by which one run holds its pool. One that is refused again and again may be too large for the
 * limit: then the others must not wait for it.
 */
const POOL_LIMITS_MAX = 2;

/** Ends the claim; says how. */
export async function afterFailure(
  { error, refused }: Extract<CallResult, { kind: "failed" }>,
  session: PhaseSession,
  plan: PhasePlan,
  deps: WorkerDeps,
): Promise<string> {
  const isLimit = error.code === "provider_rate_limited";
  const tries = countIn(session.tries, isLimit);
  const most = attemptsMax(session, deps, isLimit);
  const attempt = isLimit ? tries.rateLimits : tries.failures;
  deps.log.warn(
    { runId: session.held.claim.runId, model: plan.model, code: error.code, attempt, most },
    error.message,
  );
  const failure = { code: error.code, message: error.message };
  if (!isRetryable(error) || attempt >= most) return giveUp(failure, attempt, session, plan);
  session.signals.retried(error.code);
  const delayMs = backoffMs(error.retry, attempt, deps.ids);
  if (isLimit && attempt <= POOL_LIMITS_MAX) await slowDown(delayMs, refused, deps);
  const ended = await session.end(
    { kind: "requeue", delayMs, tries, failure },
    [],
    [
      noticeOf(
        failure,
        `attempt ${attempt} of ${most} failed; the next in ${(delayMs / 1_000).toFixed(1)} s`,
      ),
    ],
  );
  return ended.kind === "lost" ? "lost" : "backoff";
}

async function giveUp(
  failure: { readonly code: string; readonly message: string },
  attempt: number,
  session: PhaseSession,
  plan: PhasePlan,
): Promise<string> {
  const notice = noticeOf(failure, `attempt ${attempt} failed, and there is no other`);
  const view = { spec: session.spec, items: session.items, model: plan.model };
  const step = fallbackStep(view, failure);
  if (step?.kind === "handoff") {
    const { outcome, items, events } = endOf(step, plan);
    const ended = await session.end(outcome, items, [notice, ...events]);
    return ended.kind === "lost" ? "lost" : "handoff";
  }
  const ended = await session.end({ kind: "failed", ...failure }, [], [notice]);
  return ended.kind === "lost" ? "lost" : "fail";
}

/** All workers of the pools hear of it; this one at once. */
async function slowDown(ms: number, pools: readonly ModelId[], deps: WorkerDeps): Promise<void> {
  for (const pool of pools) deps.holds.hold(pool, ms);
  try {
    await Promise.all(pools.map((pool) => deps.ledger.hold(pool, { kind: "for", ms })));
  } catch (error) {
    // The run itself is delayed by its own commit; the others will meet the limit themselves.
    deps.log.warn({ err: error, pools }, "what was refused could not be slowed down");
  }
}

function countIn({ failures, rateLimits }: Tries, isLimit: boolean): Tries {
  return isLimit ? { failures, rateLimits: rateLimits + 1 } : { failures: failures + 1, rateLimits };
}

function attemptsMax(session: PhaseSession, deps: WorkerDeps, isLimit: boolean): number {
  const { limits } = deps.config;
  if (isLimit) return limits.rateLimitAttemptsMax;
  return attemptsOfRetry(session.items) ?? limits.modelAttemptsMax;
}

function noticeOf(failure: { readonly code: string; readonly message: string }, what: string): EventBody {
  return { type: "notice", code: failure.code, message: `${failure.message} (${what})` };
}
