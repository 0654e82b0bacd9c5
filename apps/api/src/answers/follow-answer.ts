/**
 * Follows a run to its answer: its events become those of the answer, and the return value is the run at its end. It
 * begins with what the run has said so far, so a client that comes again gets all of the text. It ends early, with the
 * run as it is then, when the run stands still for too long or the signal aborts. A run that ended meanwhile, with events
 * that were not told, is none to end with: whoever appends pieces would take a part for the whole answer.
 */
import { isTerminal, type Run, type RunId, type RunSpec } from "@baton/core";
import type { RunService } from "@baton/producer";
import { type AnswerEvent, AnswerStream } from "./answer-stream.ts";
import { Patience, standsStill, type WaitBounds } from "./patience.ts";
import { clientToolsOf, goesOn } from "./run-ending.ts";

export interface FollowOptions extends WaitBounds {
  /** Text is sent only when its turn is written, so that none is ever taken back. */
  readonly whole: boolean;
  /** Also what was done for the answer, see answer-stream.ts (A4). */
  readonly withWork?: boolean;
}

export interface Followed {
  readonly run: Run;
  readonly spec: RunSpec;
}

export async function* followAnswer(
  runs: Pick<RunService, "get" | "watch" | "conversation">,
  id: RunId,
  options: FollowOptions,
  signal: AbortSignal,
): AsyncGenerator<AnswerEvent, Followed, void> {
  const begun = await runs.get(id);
  const answer = new AnswerStream({
    run: begun.run,
    clientTools: clientToolsOf(begun.spec),
    goesOn: canGoOn(begun.spec),
    whole: options.whole || isJson(begun.spec),
    readItem: async (seq) => (await runs.conversation(id, seq, seq))[0],
    readItems: options.withWork === true ? (from) => runs.conversation(id, from) : undefined,
  });
  const look = async (): Promise<Run> => (await runs.get(id)).run;
  for (;;) {
    await using patience = new Patience(look, options);
    const cut = AbortSignal.any([signal, patience.signal]);
    let isToldEnd = false;
    for await (const { event } of runs.watch(id, {}, cut)) {
      if (event.type === "status") patience.seeWait(event.reason);
      if (event.type === "snapshot" && event.run.status === "waiting") patience.seeWait(event.run.reason);
      if (event.type === "status") isToldEnd = isTerminal(event.status);
      if (event.type === "snapshot") isToldEnd = isTerminal(event.run.status);
      yield* await answer.onEvent(event);
    }
    const run = await look();
    if (isTerminal(run.status) && cut.aborted && !isToldEnd) {
      if (signal.aborted) throw goesOn(run);
      continue;
    }
    // One that went on as patience ran out is followed again.
    if (isTerminal(run.status) || signal.aborted || (await standsStill(run, options))) {
      return { run, spec: begun.spec };
    }
  }
}

/** Whether a turn can be followed by another: tools run here, or there is somebody to hand to. */
function canGoOn(spec: RunSpec): boolean {
  return (spec.mcp_servers ?? []).length > 0 || (Array.isArray(spec.model) && spec.model.length > 1);
}

function isJson({ response_format: format }: RunSpec): boolean {
  return format?.type === "json_object" || format?.type === "json_schema";
}
