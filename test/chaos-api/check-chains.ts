/**
 * `chains`: what goes on from an answer begins with all of it. Who brings the results of its own functions takes the run up
 * that called them, with its whole log, each call once with the result that was brought; who asks on has what was said
 * before its question.
 */
import { isDeepStrictEqual } from "node:util";
import { type Item, textOf } from "@baton/core";
import { callsLeftToCaller, isReply } from "../chaos/check-story.ts";
import type { EndedRun, History } from "../chaos/history.ts";
import { dueOf } from "./due.ts";
import type { Breach } from "./judge.ts";
import { questionOf, resultOf } from "./plan.ts";
import type { ApiStories } from "./stories.ts";

export function checkChains(stories: ApiStories, { runs }: History): readonly Breach[] {
  const of = (mark: string) => runs.find((one) => one.mark === mark);
  return dueOf(stories).flatMap(({ mark, kind, after }) => {
    const [run, before] = [of(mark), of(after ?? "")];
    // That there is such a run is the matter of other checks.
    if (after === undefined || run === undefined || before === undefined) return [];
    const what = kind === "responses_chain" ? wrongWithQuestion(run, before) : wrongWithResults(run, before);
    return what === undefined ? [] : [{ check: "chains", where: mark, what }];
  });
}

function wrongWithResults({ mark, run, items }: EndedRun, before: EndedRun): string | undefined {
  const { length } = before.items;
  if (run.forkedFrom?.run !== before.run.id) return `it does not take up the run ${before.run.id}`;
  if (run.forkedFrom.items !== length)
    return `it takes up ${run.forkedFrom.items} of the ${length} items before`;
  const other = before.items.findIndex(({ role, parts }, place) => {
    const own = items[place];
    return !isDeepStrictEqual([own?.role, own?.parts], [role, parts]);
  });
  if (other >= 0) return `item ${other} is not that of the run that it takes up`;
  const brought = items.slice(length).flatMap(({ parts }) => parts.filter(isResult));
  for (const [place, callId] of [...callsLeftToCaller(before)].entries()) {
    const some = brought.filter((part) => part.callId === callId);
    const [result] = some;
    if (result === undefined || some.length !== 1) return `the call ${callId} has ${some.length} results`;
    if (textOf({ parts: result.content }) !== resultOf(mark, place))
      return `the call ${callId} has another's result`;
  }
  return undefined;
}

function isResult(part: Item["parts"][number]) {
  return part.type === "tool_result";
}

function wrongWithQuestion({ mark, run, items }: EndedRun, before: EndedRun): string | undefined {
  if (run.metadata?.previous_response_id !== `resp_${before.run.id}`)
    return `it is not labelled as going on from ${before.run.id}`;
  const place = items.findIndex((item) => textOf(item) === questionOf(mark));
  if (place < 0) return "its question is not in its log";
  const said = items.slice(0, place).map(textOf);
  let from = 0;
  for (const item of before.items) {
    const text = textOf(item);
    if (text === "" || (item.role !== "user" && !isReply(item))) continue;
    from = said.indexOf(text, from) + 1;
    if (from === 0) return `item ${item.seq} of the run before is not told before its question`;
  }
  return undefined;
}
