/**
 * Tries again what failed on its way to a tool: a server that was down, a connection that was lost, a status that
 * says "later". What a tool answers, an error too, is an answer and is never asked for again.
 *
 * - What surely was not run may be tried again for any tool; what may have run only for tools that are read-only or
 *   idempotent. So no retry can make a tool act twice.
 * - All tries and the waits between them share the call's one time budget. A wait that leads past it is not begun.
 * - A call that used up its budget without an answer is therefore over; it is not tried again.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Retry, ToolRetry } from "@baton/core";

/** How a call went that gave no result. */
export interface CallFailure {
  readonly kind: "failed";
  /**
   * `not_run`: it cannot have taken effect. `refused`: the server answered with an error. `unknown`: it was sent, and
   * may have taken effect.
   */
  readonly effect: "not_run" | "refused" | "unknown";
  /** Whether the same call may go better later. `{after}`: in so many milliseconds at the earliest. */
  readonly retry: Retry;
  readonly message: string;
}

/** What a retry takes from outside, so that tests can hold it. */
export interface RetryClock {
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Throws when the signal aborts. */
  readonly delay: (ms: number, signal: AbortSignal) => Promise<void>;
}

export const systemClock: RetryClock = {
  now: () => performance.now(),
  random: Math.random,
  delay: async (ms, signal) => {
    await delay(ms, undefined, { signal });
  },
};

export interface RetryOptions<Answer> {
  /** `leftMs`: what is left of the budget. */
  readonly attempt: (leftMs: number, attempt: number) => Promise<Answer | CallFailure>;
  /** Whether what may have run may run again. */
  readonly repeatable: boolean;
  readonly budgetMs: number;
  readonly clock: RetryClock;
  readonly onRetry?: ((retry: ToolRetry) => void) | undefined;
}

export interface Retried<Answer> {
  readonly answer: Answer | CallFailure;
  readonly attempts: number;
}

const ATTEMPTS_MAX = 3;
const WAIT_MS_MIN = 250;
/** What is added to a wait that was asked for, so that not all who were told the same come at once. */
const SPREAD = 0.25;

/** Throws on abort alone: `signal.reason`. */
export async function retryCall<Answer extends { readonly kind: string }>(
  { attempt, repeatable, budgetMs, clock, onRetry }: RetryOptions<Answer>,
  signal: AbortSignal,
): Promise<Retried<Answer>> {
  const start = clock.now();
  for (let attempts = 1; ; attempts += 1) {
    signal.throwIfAborted();
    const answer = await attempt(budgetMs - (clock.now() - start), attempts);
    if (!isFailure(answer) || attempts === ATTEMPTS_MAX || !mayRepeat(answer, repeatable)) {
      return { answer, attempts };
    }
    const waitMs = waitOf(answer.retry, attempts, clock.random());
    if (waitMs === undefined || clock.now() - start + waitMs >= budgetMs) return { answer, attempts };
    onRetry?.({ attempt: attempts, message: answer.message, waitMs });
    try {
      await clock.delay(waitMs, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }
}

function isFailure(answer: { readonly kind: string }): answer is CallFailure {
  return answer.kind === "failed";
}

function mayRepeat({ effect, retry }: CallFailure, repeatable: boolean): boolean {
  return retry !== "never" && (repeatable || effect === "not_run");
}

function waitOf(retry: Retry, attempts: number, random: number): number | undefined {
  if (retry === "never") return undefined;
  if (retry === "backoff") return Math.round(WAIT_MS_MIN * 2 ** (attempts - 1) * (0.5 + random));
  return Math.round(retry.after * (1 + SPREAD * random));
}
