/** `answers` and `ended`: what each client was told in the end is what the ledger has. */
import { isDeepStrictEqual } from "node:util";
import { isTerminal, textOf } from "@baton/core";
import { callsLeftToCaller, isReply } from "../chaos/check-story.ts";
import type { EndedRun, History } from "../chaos/history.ts";
import { dueOf, isFork, refusedByBudget } from "./due.ts";
import type { Breach } from "./judge.ts";
import type { Answer, ApiStories, Kind } from "./stories.ts";

const PARAGRAPH = "\n\n";
const SHOWN_CHARS = 60;
/** Only a reader of events hears of an end without hearing of the answer. */
const TOLD_ENDS: ReadonlySet<Kind> = new Set(["events"]);

export function checkAnswers(stories: ApiStories, { runs }: History): readonly Breach[] {
  const { answers } = stories;
  const missing = dueOf(stories)
    .filter(({ mark }) => !answers.some((answer) => answer.mark === mark && !answer.isFork))
    .map(
      ({ mark, kind }): Breach => ({
        check: "ended",
        where: mark,
        what: `its ${kind} client was told nothing`,
      }),
    );
  const unmade = refusedByBudget(stories);
  return [...missing, ...answers.flatMap((answer) => checkAnswer(answer, runs, unmade))];
}

function checkAnswer(
  answer: Answer,
  runs: readonly EndedRun[],
  unmade: ReadonlySet<string>,
): readonly Breach[] {
  const { kind, mark, outcome } = answer;
  const wrong = (what: string): readonly Breach[] => [
    { check: "answers", where: mark, what: `${kind}: ${what}` },
  ];
  if (outcome.kind === "gave_up") {
    return [{ check: "ended", where: mark, what: `its ${kind} client gave up: ${outcome.why}` }];
  }
  const ended = runs.find((one) => isOf(answer, one, runs));
  if (unmade.has(mark))
    return ended === undefined ? [] : wrong("it was told that there is no money for its run");
  if (ended === undefined) return wrong("it was answered, and there is no such run");
  const { run } = ended;
  if (outcome.kind === "refused") {
    if (TOLD_ENDS.has(kind))
      return isTerminal(run.status) ? [] : wrong(`it was told an end of a run that is ${run.status}`);
    if (run.status === "failed" || run.status === "cancelled") return [];
    return wrong(`it was refused (${outcome.code}), and the run ${run.status}`);
  }
  if (run.status !== "succeeded") return wrong(`it got an answer of a run that ${run.status}`);
  const replies = ended.items.filter(isReply).map(textOf);
  const text = replies.at(-1) ?? "";
  const calls = callsIn(ended);
  const told = outcome.kind === "calls" ? outcome.calls : [];
  if (!isDeepStrictEqual(told.map(asMade), calls) || new Set(told.map(({ id }) => id)).size < told.length)
    return wrong(`it was told the calls ${JSON.stringify(told)}, the ledger has ${JSON.stringify(calls)}`);
  if (outcome.text === text) return checkStreamed(outcome.streamed, replies, wrong);
  // Long words on the way were sent before it was known that they were not the answer.
  if (outcome.streamed !== undefined && isBehindOthers(outcome.text, replies)) return [];
  return wrong(`it was told ${shown(outcome.text)}, the ledger has ${shown(text)}`);
}

function checkStreamed(
  streamed: string | undefined,
  replies: readonly string[],
  wrong: (what: string) => readonly Breach[],
): readonly Breach[] {
  if (streamed === undefined || isBehindOthers(streamed, replies)) return [];
  return wrong(`its stream adds up to ${shown(streamed)}, its end says ${shown(replies.at(-1) ?? "")}`);
}

/** The answer in a paragraph of its own behind whole earlier replies, each once and in order. */
export function isBehindOthers(told: string, replies: readonly string[]): boolean {
  const answer = replies.at(-1) ?? "";
  if (told === answer) return true;
  // Calls alone add nothing to what was said on the way to them.
  const end = answer === "" ? "" : PARAGRAPH + answer;
  if (!told.endsWith(end)) return false;
  let rest = told.slice(0, told.length - end.length);
  for (const reply of replies.slice(0, -1).toReversed()) {
    if (rest === reply) return true;
    if (rest.endsWith(PARAGRAPH + reply)) rest = rest.slice(0, rest.length - reply.length - PARAGRAPH.length);
  }
  return false;
}

interface MadeCall {
  readonly name: string;
  readonly arguments: unknown;
}

/** Those of the caller's own functions with which it ended. */
function callsIn(ended: EndedRun): readonly MadeCall[] {
  const left = callsLeftToCaller(ended);
  return (ended.items.findLast(isReply)?.parts ?? []).flatMap((part) =>
    part.type === "tool_call" && left.has(part.callId) && part.arguments.kind === "object"
      ? [{ name: part.name, arguments: part.arguments.value }]
      : [],
  );
}

function asMade(call: { readonly name: string; readonly arguments: string }): MadeCall {
  return { name: call.name, arguments: JSON.parse(call.arguments) };
}

function isOf(answer: Answer, ended: EndedRun, runs: readonly EndedRun[]): boolean {
  if (answer.runId !== undefined) return ended.run.id === answer.runId;
  return ended.mark === answer.mark && isFork(ended, runs) === answer.isFork;
}

function shown(text: string): string {
  const cut =
    text.length > 2 * SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…${text.slice(-SHOWN_CHARS)}` : text;
  return `${JSON.stringify(cut)} (${text.length} characters)`;
}
