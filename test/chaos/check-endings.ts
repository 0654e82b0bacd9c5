/**
 * R6: a terminal run changes by an explicit retry alone, which is recorded. R1: an operation that was sent again took
 * effect once: no item stands twice in a log, and no retry is recorded that did not move the run, or that nobody
 * asked for.
 */
import { isTerminal } from "@baton/core";
import { digestOf } from "./check-digest.ts";
import { breach, isRetry, type LossWindow, ownItems, type RunStory, type Story } from "./check-story.ts";
import type { History, Violation } from "./history.ts";

export function checkEndings(story: RunStory, { history, losses }: Story): readonly Violation[] {
  return [
    ...checkAfterEnd(story, losses),
    ...checkSamples(story),
    ...checkTwice(story),
    ...checkAsked(story, history),
  ];
}

/** Behind an end there is nothing, or the move back to the queue with its record in the log. */
function checkAfterEnd(story: RunStory, losses: readonly LossWindow[]): readonly Violation[] {
  const { run, events } = story;
  const found: Violation[] = [];
  let retries = 0;
  for (const [place, { at, event }] of events.entries()) {
    const { at: since = at, event: before } = events[place - 1] ?? {};
    if (before?.type !== "status" || !isTerminal(before.status)) continue;
    // The move may be among what is left out.
    if (losses.some(({ from, to }) => to >= since && from <= at)) continue;
    if (event.type === "status" && event.status === "queued") retries += 1;
    else found.push(breach("R6", story, `a ${event.type} was written after it was ${before.status}`));
  }
  const records = ownItems(story).filter(isRetry).length;
  if (retries > records) {
    found.push(breach("R6", story, `it went on ${retries} times after its end, ${records} are recorded`));
  }
  if (story.isWhole && records > retries) {
    found.push(breach("R1", story, `${records} retries are recorded, and it went on ${retries} times`));
  }
  const last = events.findLast(({ event }) => event.type === "status")?.event;
  if (last?.type !== "status" || !isTerminal(last.status)) return found;
  if (run.status !== last.status || run.epoch !== last.epoch) {
    const now = `${run.status} in epoch ${run.epoch}`;
    found.push(breach("R6", story, `it ended as ${last.status} in epoch ${last.epoch}, and is ${now}`));
  }
  return found;
}

/** What was sampled of an ended run stays as it is for as long as its epoch lasts. */
function checkSamples(story: RunStory): readonly Violation[] {
  const { run, items, samples } = story;
  const seen = [
    ...samples.map(({ epoch, status, digests }) => ({ epoch, status, length: digests.length })),
    { epoch: run.epoch, status: run.status, length: items.length },
  ];
  return seen.flatMap((sample, index) => {
    const before = seen[index - 1];
    if (before === undefined || !isTerminalText(before.status) || sample.epoch !== before.epoch) return [];
    if (sample.status === before.status && sample.length <= before.length) return [];
    const now = `${sample.status} with ${sample.length} items`;
    return [breach("R6", story, `it was ${before.status} with ${before.length} items, then ${now}`)];
  });
}

/** A sample's status is text: it was read from the record as it is. */
function isTerminalText(status: string): boolean {
  return status === "succeeded" || status === "failed" || status === "cancelled";
}

function checkTwice(story: RunStory): readonly Violation[] {
  const places = new Map<string, number>();
  return story.items.flatMap(({ seq: _seq, ...content }, place) => {
    const digest = digestOf(content);
    const first = places.get(digest);
    if (first === undefined) {
      places.set(digest, place);
      return [];
    }
    return [breach("R1", story, `item ${place} is item ${first} once more`)];
  });
}

function checkAsked(story: RunStory, { acts }: History): readonly Violation[] {
  if (acts === undefined) return [];
  const asked = (did: string) => story.acts.filter((act) => act.did === did).length;
  const records = ownItems(story).filter(isRetry).length;
  const cancels = story.events.filter(
    ({ event }) => event.type === "status" && event.status === "cancelled",
  ).length;
  const found: Violation[] = [];
  if (records > asked("retry")) {
    found.push(breach("R1", story, `${records} retries took effect, ${asked("retry")} were asked for`));
  }
  if (cancels > asked("cancel")) {
    found.push(breach("R1", story, `${cancels} cancels took effect, ${asked("cancel")} were asked for`));
  }
  return found;
}
