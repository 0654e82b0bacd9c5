/**
 * The answer to a streamed response request: follows the run and tells it as events, the last of which holds the whole
 * response. A run that fails before anything was told is thrown, so that its client sees a status; later it is told
 * as `response.failed`.
 */
import type { RunId } from "@baton/core";
import type { RunService } from "@baton/producer";
import { type FollowOptions, followAnswer } from "../answers/follow-answer.ts";
import { OpenAiProblem } from "../answers/openai-problem.ts";
import { atMost } from "../answers/stream-answer.ts";
import { mcpCallItems, type Work, workOf } from "./output-items.ts";
import { OutputWriter, type ResponseEvent } from "./output-writer.ts";
import { endingOf, outputOf, type Response, type ResponseFacts, responseOf } from "./response.ts";

export interface ResponseEventsOptions extends FollowOptions {
  /** How long the first events wait for something to tell, in milliseconds; 0: they do not, and no failure is thrown. */
  readonly beginMs: number;
}

type Runs = Pick<RunService, "get" | "watch" | "conversation">;

export async function* responseEvents(
  runs: Runs,
  id: RunId,
  options: ResponseEventsOptions,
  signal: AbortSignal,
): AsyncGenerator<ResponseEvent, void, void> {
  const { beginMs } = options;
  const { spec: asked } = await runs.get(id);
  const writer = new OutputWriter(id, asked);
  await using following = followAnswer(runs, id, { ...options, withWork: true }, signal);
  const first = following.next();
  // Told to whoever awaits it below; a reader that leaves before must not make it an error of nobody's.
  first.catch(() => undefined);
  const came = beginMs === 0 ? undefined : await Promise.race([first, atMost(first, beginMs, signal)]);
  const isBegun = came === undefined || !came.done;
  if (isBegun) yield* begin(runs, id, writer);
  let next = await first;
  while (!next.done) {
    yield* writer.write(next.value);
    next = await following.next();
  }
  const { run, spec } = next.value;
  const items = await runs.conversation(id);
  const ending = endingOf(run, spec, items, signal.aborted);
  if (ending instanceof OpenAiProblem && !(isBegun && run.status === "failed")) throw ending;
  if (!isBegun) yield* begin(runs, id, writer);
  yield* endEvents(writer, { run, spec, items, ending });
}

async function* begin(
  runs: Runs,
  id: RunId,
  writer: OutputWriter,
): AsyncGenerator<ResponseEvent, void, void> {
  const { run, spec } = await runs.get(id);
  const { usage: _ended, ...now } = responseOf({ run, spec, items: [], ending: undefined }, []);
  // Whatever became of it: this is how it began.
  const response: Response = { ...now, status: "in_progress", completed_at: null, error: null };
  yield writer.lifecycle("created", response);
  yield writer.lifecycle("in_progress", response);
}

function endEvents(writer: OutputWriter, facts: ResponseFacts): readonly ResponseEvent[] {
  const { ending } = facts;
  const work = untold(writer, facts);
  if (ending === undefined || ending instanceof OpenAiProblem) {
    const broken = [...writer.breakOff(), ...writer.finish([...work.before, ...work.after])];
    return [...broken, writer.lifecycle("failed", responseOf(facts, writer.output({ withVoid: true })))];
  }
  const isText = ending.refusal === null && (ending.text !== "" || ending.calls.length === 0);
  // What was sent as text and is no part of the answer is void.
  const settled = isText ? writer.endReasoning() : writer.breakOff();
  const told = [...settled, ...writer.finish(outputOf(facts, ending, work, writer.messageId))];
  const response = responseOf(facts, writer.output({ withVoid: false }));
  const type = response.status === "incomplete" ? "incomplete" : "completed";
  return [...told, writer.lifecycle(type, response)];
}

/** Work that no event told, as when the beginning of the events is gone. */
function untold(writer: OutputWriter, { run, spec, items }: ResponseFacts): Work {
  const { thoughts, calls } = writer.toldWork;
  if (thoughts === 0 && calls === 0) return workOf(run, spec, items);
  return { before: mcpCallItems(run, spec, items).slice(calls), after: [] };
}
