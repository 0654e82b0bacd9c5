/**
 * Follows a run to its end, and does what it waits for on the way: calls of the caller's own tools run here, and
 * their results are given back, so that the run goes on wherever a worker is free.
 *
 * A result that was given back is never produced again (R5). A call that was under way when this process died
 * may run twice, as another process that follows the run runs it: `idempotencyKey` is the same both times.
 */
import {
  BatonError,
  type ErrorCode,
  isTerminal,
  type Run,
  type RunEvent,
  type RunId,
  type StampedEvent,
  type ToolCallPart,
} from "@baton/core";
import { callLocal, type LocalOutcome } from "./call-local.ts";
import type { LocalTool } from "./local-tools.ts";
import type { RunService } from "./run-service.ts";

export interface FollowOptions {
  readonly id: RunId;
  /** Tools with code, by name. Calls of others are left to the caller. */
  readonly tools: ReadonlyMap<string, LocalTool>;
  /** Characters of a result that are given to the model. */
  readonly resultCharsMax: number;
  /** An event id to go on after; absent: a snapshot comes first. */
  readonly after: string | undefined;
  readonly onOutcome: (outcome: LocalOutcome) => void;
}

/** How following ended: the run is over, or it waits for calls that this process cannot run. */
export type FollowEnd =
  | { readonly kind: "over" }
  | { readonly kind: "left"; readonly calls: readonly ToolCallPart[] };

const CALLS_AT_ONCE = 8;

/** The events of a run until it is over or waits for its caller. On abort it throws the signal's reason. */
export async function* followRun(
  producer: Pick<RunService, "watch" | "clientCalls" | "get" | "input">,
  options: FollowOptions,
  signal: AbortSignal,
): AsyncGenerator<RunEvent, FollowEnd, void> {
  const stop = new AbortController();
  const inner = AbortSignal.any([signal, stop.signal]);
  const events = producer.watch(options.id, { after: options.after }, inner);
  const aborted = abortOf(signal);
  let next = events.next();
  let working: Promise<Progress> | undefined;
  /** The run began to wait again before the last answer was done with. */
  let waitsAgain = false;
  try {
    for (;;) {
      const racing = working === undefined ? [] : [working];
      const progress = await Promise.race([aborted.promise, next.then(toProgress), ...racing]);
      if (progress.kind === "over" || progress.kind === "left") return progress;
      if (progress.kind === "event") {
        const { event } = progress.stamped;
        yield event;
        next = events.next();
        if (isWaiting(event)) waitsAgain = true;
      } else {
        working = undefined;
      }
      if (waitsAgain && working === undefined) {
        waitsAgain = false;
        // The event may be of the past; what the run waits for now is read anew.
        working = answer(producer, options, inner);
      }
    }
  } finally {
    aborted.forget();
    // Nobody waits for what is under way any more: the watch ends, and functions hear it by their signal.
    stop.abort(new BatonError("cancelled", `run ${options.id} is no longer followed`));
    const ended = Promise.allSettled([next, working, events.return()]);
    // Whoever gave the signal may have done so because Redis does not answer: it is not kept waiting.
    if (!signal.aborted) await ended;
  }
}

/** A promise that rejects with the signal's reason; `forget` takes its listener away. */
function abortOf(signal: AbortSignal): { readonly promise: Promise<never>; readonly forget: () => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return { promise, forget: () => signal.removeEventListener("abort", onAbort) };
}

type Progress =
  | { readonly kind: "event"; readonly stamped: StampedEvent }
  | { readonly kind: "answered" }
  | FollowEnd;

function toProgress(next: IteratorResult<StampedEvent, void>): Progress {
  return next.done ? { kind: "over" } : { kind: "event", stamped: next.value };
}

function isWaiting(event: RunEvent): boolean {
  if (event.type === "status") return event.status === "waiting";
  return event.type === "snapshot" && event.run.status === "waiting";
}

/** Runs the calls that the run waits for, as far as their code is here, and gives the results back. */
async function answer(
  producer: Pick<RunService, "clientCalls" | "get" | "input">,
  options: FollowOptions,
  signal: AbortSignal,
): Promise<Progress> {
  const calls = await producer.clientCalls(options.id);
  const work = calls.flatMap((call) => {
    const tool = options.tools.get(call.name);
    return tool === undefined ? [] : [{ call, tool }];
  });
  if (work.length === 0)
    return calls.length > 0 ? { kind: "left", calls } : checkBudget(await producer.get(options.id));
  const outcomes: LocalOutcome[] = [];
  const queue = [...work];
  const lane = async (): Promise<void> => {
    for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
      const outcome = await callLocal(one.tool, one.call, options.id, options.resultCharsMax, signal);
      options.onOutcome(outcome);
      outcomes.push(outcome);
    }
  };
  await Promise.all(Array.from({ length: Math.min(CALLS_AT_ONCE, work.length) }, lane));
  await giveBack(producer, options.id, outcomes);
  return { kind: "answered" };
}

async function giveBack(
  producer: Pick<RunService, "input">,
  id: RunId,
  outcomes: readonly LocalOutcome[],
): Promise<void> {
  const results = outcomes.map(({ call, content, isError }) => ({
    tool_call_id: call.callId,
    content,
    is_error: isError,
  }));
  try {
    await producer.input(id, { tool_results: results });
  } catch (error) {
    // Another process answered first, or the run was cancelled: its events tell what became of it.
    const passed =
      error instanceof BatonError && (error.code === "conflict" || error.code === "not_possible");
    if (!passed) throw error;
  }
}

/** A run that waits for a person is waited for; one that has used up its budget says so. */
function checkBudget({ run }: { readonly run: Run }): Progress {
  if (run.status !== "waiting" || run.reason !== "budget") return { kind: "answered" };
  throw new BatonError("budget", `run ${run.id} waits: it has used up its budget`, {
    fields: { runId: run.id },
  });
}

/** The error that a run which did not succeed ended with; undefined for any other run. */
export function errorOf(run: Run): BatonError | undefined {
  if (!isTerminal(run.status) || run.status === "succeeded") return undefined;
  const fields = { runId: run.id };
  if (run.status === "failed") {
    // Codes of failed runs are written from error codes alone.
    return new BatonError(run.error.code as ErrorCode, run.error.message, { fields });
  }
  return new BatonError("cancelled", `run ${run.id} was cancelled`, { fields });
}
