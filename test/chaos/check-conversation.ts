/**
 * A conversation that a provider takes, and that means what happened: each call has one result before the next model
 * speaks, a handoff finds no call open, each phase is spoken by its own model, and a run that succeeded ends with a
 * model's words. No provider refused a request as malformed.
 */
import { type Item, textOf } from "@baton/core";
import { renderingFaults } from "./check-rendering.ts";
import {
  breach,
  callsLeftToCaller,
  isReply,
  isRetry,
  ownItems,
  phaseAt,
  type RunStory,
} from "./check-story.ts";
import type { Violation } from "./history.ts";

export function checkConversation(story: RunStory): readonly Violation[] {
  const invalid = story.purchases.flatMap(({ invalid, replies }) =>
    invalid === undefined ? [] : [`the request behind ${replies} replies was refused: ${invalid}`],
  );
  const found = [...invalid, ...callFaults(story), ...phaseFaults(story), ...endFaults(story)];
  // What the log has wrong would be said once more by every provider's rules.
  const all = found.length > 0 ? found : renderingFaults(story);
  return all.map((what) => breach("conversation", story, what));
}

/** Calls and their results, each item in turn. */
function callFaults(story: RunStory): readonly string[] {
  const { items, run } = story;
  const found: string[] = [];
  let open = new Set<string>();
  const demandClosed = (place: number, what: string): void => {
    if (open.size > 0)
      found.push(`${what} at ${place} leaves calls without a result: ${[...open].join(", ")}`);
    open = new Set();
  };
  for (const [place, item] of items.entries()) {
    if (item.parts.some((part) => part.type === "handoff")) demandClosed(place, "the handoff");
    if (isReply(item)) demandClosed(place, "the reply");
    // A retry may ask the model anew, past calls that nobody will answer.
    if (isRetry(item)) open = new Set();
    for (const part of item.parts) {
      if (part.type === "tool_call") open.add(part.callId);
      if (part.type !== "tool_result" || open.delete(part.callId)) continue;
      if (!isAnsweredPastRetry(items, place, part.callId)) {
        found.push(`the result of ${part.callId} at ${place} answers no call that is open`);
      }
    }
  }
  for (const callId of callsLeftToCaller(story)) open.delete(callId);
  if (run.status === "succeeded") demandClosed(items.length, "the end");
  return found;
}

/** The first result of a call that a retry left open. */
function isAnsweredPastRetry(items: readonly Item[], place: number, callId: string): boolean {
  const reply = items.findLastIndex((item, at) => at < place && isReply(item));
  const since = items.slice(Math.max(0, reply), place);
  const calls =
    items[reply]?.parts.some((part) => part.type === "tool_call" && part.callId === callId) === true;
  const answered = since.some((item) =>
    item.parts.some((part) => part.type === "tool_result" && part.callId === callId),
  );
  return calls && !answered && since.some(isRetry);
}

function phaseFaults(story: RunStory): readonly string[] {
  const found: string[] = [];
  let phase = 0;
  for (const item of ownItems(story)) {
    const { seq: place } = item;
    if (item.phase < phase)
      found.push(`item ${place} is of phase ${item.phase}, behind one of phase ${phase}`);
    phase = Math.max(phase, item.phase);
    const model = phaseAt(story, item.phase)?.model;
    if (isReply(item) && item.origin?.model !== model) {
      found.push(`the reply at ${place} is by ${item.origin?.model}, phase ${item.phase} is ${model}'s`);
    }
    const out = item.parts.find((part) => part.type === "handoff");
    if (out !== undefined && out.to !== phaseAt(story, item.phase + 1)?.model) {
      found.push(`the handoff at ${place} is to ${out.to}, and another model went on`);
    }
  }
  return found;
}

function endFaults(story: RunStory): readonly string[] {
  const { items, run } = story;
  if (run.status !== "succeeded" || callsLeftToCaller(story).size > 0) return [];
  const last = items.findLast((item) => item.role !== "control");
  const isEnd =
    last !== undefined &&
    isReply(last) &&
    textOf(last).trim() !== "" &&
    !last.parts.some((part) => part.type === "tool_call");
  return isEnd ? [] : ["it succeeded, and does not end with a model's words"];
}
