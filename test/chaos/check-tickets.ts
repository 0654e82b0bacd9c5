/**
 * R7: a ticket is committed at most once. A second commit shows as a second handoff out of one phase, as a phase too
 * many, as a counter that moved twice, or as two moves of a run that made the same epoch.
 */
import type { Item } from "@baton/core";
import { breach, firstPhaseOf, isReply, isRetry, ownItems, phaseAt, type RunStory } from "./check-story.ts";
import type { Violation } from "./history.ts";

export function checkTickets(story: RunStory): readonly Violation[] {
  return [...checkMoves(story), ...checkPhases(story), ...checkCounters(story), ...checkSamples(story)];
}

/** Each move of a run (and each handoff, which has an event of its own) has an epoch that no other has. */
function checkMoves(story: RunStory): readonly Violation[] {
  const found: Violation[] = [];
  let status = 0;
  const left = new Set<number>();
  for (const { event } of story.events) {
    if (event.type === "status") {
      if (event.epoch <= status) {
        found.push(
          breach("R7", story, `two moves made the epoch ${event.epoch}: the last is to ${event.status}`),
        );
      }
      status = event.epoch;
    }
    if (event.type === "handoff") {
      if (left.has(event.phase)) found.push(breach("R7", story, `phase ${event.phase} was handed off twice`));
      left.add(event.phase);
    }
  }
  return found;
}

function checkPhases(story: RunStory): readonly Violation[] {
  const { run } = story;
  const items = ownItems(story);
  const found: Violation[] = [];
  const out = items.filter((item) => item.parts.some((part) => part.type === "handoff"));
  if (out.length !== run.handoffs) {
    found.push(breach("R7", story, `${out.length} handoffs in the log, the record says ${run.handoffs}`));
  }
  for (const [phase, same] of Map.groupBy(out, (item) => item.phase)) {
    if (same.length > 1)
      found.push(breach("R7", story, `the log has ${same.length} handoffs of phase ${phase}`));
  }
  const places = run.phases.map((phase) => phase.seq);
  const first = firstPhaseOf(story);
  if (places.some((seq, place) => seq !== first + place)) {
    found.push(breach("R7", story, `its phases are ${places.join(", ")}`));
  }
  const expected = run.handoffs + 1 + items.filter((item) => opensPhase(item, story)).length;
  if (run.phases.length !== expected) {
    found.push(breach("R7", story, `it has ${run.phases.length} phases, and ${expected} were begun`));
  }
  return found;
}

/** A retry with another model leaves the phase that failed behind. */
function opensPhase(item: Item, story: RunStory): boolean {
  if (!isRetry(item)) return false;
  const model = item.parts.flatMap((part) => (part.type === "record" ? [part.detail.model] : []))[0];
  return model !== undefined && model !== phaseAt(story, item.phase)?.model;
}

function checkCounters(story: RunStory): readonly Violation[] {
  const { run } = story;
  const replies = ownItems(story).filter(isReply).length;
  const turns = run.phases.reduce((sum, phase) => sum + phase.turns, 0);
  if (run.turns === replies && turns === replies) return [];
  return [
    breach(
      "R7",
      story,
      `${replies} replies in the log, ${run.turns} turns in the record, ${turns} in its phases`,
    ),
  ];
}

function checkSamples(story: RunStory): readonly Violation[] {
  return story.samples.flatMap((sample, index) => {
    const before = story.samples[index - 1];
    if (before === undefined || sample.ticket >= before.ticket) return [];
    return [breach("R7", story, `its ticket fell from ${before.ticket} to ${sample.ticket}`)];
  });
}
