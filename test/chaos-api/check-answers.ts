/** `answers` and `ended`: what each client was told in the end is what the ledger has. */
import { isTerminal, textOf } from "@baton/core";
import { isReply } from "../chaos/check-story.ts";
import type { EndedRun, History } from "../chaos/history.ts";
import type { Breach } from "./judge.ts";
import type { Answer, ApiStories, Kind } from "./stories.ts";

const PARAGRAPH = "\n\n";
const SHOWN_CHARS = 60;
/** Only a reader of events hears of an end without hearing of the answer. */
const TOLD_ENDS: ReadonlySet<Kind> = new Set(["events"]);

export function checkAnswers({ planned, answers }: ApiStories, { runs }: History): readonly Breach[] {
  const missing = planned
    .filter(({ mark }) => !answers.some((answer) => answer.mark === mark && !answer.isFork))
    .map(
      ({ mark, kind }): Breach => ({
        check: "ended",
        where: mark,
        what: `its ${kind} client was told nothing`,
      }),
    );
  return [...missing, ...answers.flatMap((answer) => checkAnswer(answer, runs))];
}

function checkAnswer(answer: Answer, runs: readonly EndedRun[]): readonly Breach[] {
  const { kind, mark, outcome } = answer;
  const wrong = (what: string): readonly Breach[] => [
    { check: "answers", where: mark, what: `${kind}: ${what}` },
  ];
  if (outcome.kind === "gave_up") {
    return [{ check: "ended", where: mark, what: `its ${kind} client gave up: ${outcome.why}` }];
  }
  const ended = runs.find((one) => isOf(answer, one));
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
  if (!told.endsWith(PARAGRAPH + answer)) return false;
  let rest = told.slice(0, told.length - answer.length - PARAGRAPH.length);
  for (const reply of replies.slice(0, -1).toReversed()) {
    if (rest === reply) return true;
    if (rest.endsWith(PARAGRAPH + reply)) rest = rest.slice(0, rest.length - reply.length - PARAGRAPH.length);
  }
  return false;
}

/** A fork has the mark of the run that it is of. */
function isOf({ mark, runId, isFork }: Answer, { mark: own, run }: EndedRun): boolean {
  if (runId !== undefined) return run.id === runId;
  return own === mark && (run.forkedFrom !== undefined) === isFork;
}

function shown(text: string): string {
  const cut =
    text.length > 2 * SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…${text.slice(-SHOWN_CHARS)}` : text;
  return `${JSON.stringify(cut)} (${text.length} characters)`;
}
