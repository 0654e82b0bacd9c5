/**
 * R2: nobody writes under a claim that has ended. Whatever is written to a run's stream or log carries the epoch of
 * its writer, and the epoch rises with each claim and each move of the run; so along both it never falls. A move makes
 * an epoch that nobody ever claims.
 */
import type { Item } from "@baton/core";
import { breach, isReply, type RunStory } from "./check-story.ts";
import type { Violation } from "./history.ts";

export function checkEpochs(story: RunStory): readonly Violation[] {
  return [...checkStream(story), ...checkItems(story), ...checkSamples(story)];
}

function checkStream(story: RunStory): readonly Violation[] {
  const found: Violation[] = [];
  let highest = 0;
  for (const { event } of story.events) {
    if (event.epoch < highest) {
      found.push(breach("R2", story, `a ${event.type} of epoch ${event.epoch} came after epoch ${highest}`));
    }
    highest = Math.max(highest, event.epoch);
  }
  return found;
}

function checkItems(story: RunStory): readonly Violation[] {
  const found: Violation[] = [];
  const moves = new Set(story.events.flatMap(({ event }) => (event.type === "status" ? [event.epoch] : [])));
  let highest = 0;
  for (const [place, item] of story.items.entries()) {
    const { epoch } = item;
    if (epoch < highest)
      found.push(breach("R2", story, `item ${place} of epoch ${epoch} follows ${highest}`));
    highest = Math.max(highest, epoch);
    if (epoch > story.run.epoch) {
      found.push(breach("R2", story, `item ${place} has epoch ${epoch}, the run has ${story.run.epoch}`));
    }
    if (isWorkers(item) && moves.has(epoch)) {
      found.push(breach("R2", story, `item ${place} has epoch ${epoch}, which nobody claimed`));
    }
  }
  return found;
}

/** Tool results are not told apart here: callers write them too, in the epoch of the wait or the end. */
function isWorkers(item: Item): boolean {
  return isReply(item) || item.parts.some((part) => part.type === "handoff" || part.type === "tool_started");
}

function checkSamples(story: RunStory): readonly Violation[] {
  return story.samples.flatMap((sample, index) => {
    const before = story.samples[index - 1];
    if (before === undefined || sample.epoch >= before.epoch) return [];
    return [breach("R2", story, `its epoch fell from ${before.epoch} to ${sample.epoch}`)];
  });
}
