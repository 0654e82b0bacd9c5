/** R3: the log only grows. Each sample continues the one before it, and the log at the end continues the last. */

import { digestOf } from "./check-digest.ts";
import { breach, isReply, type RunStory } from "./check-story.ts";
import type { Violation } from "./history.ts";

export function checkLog(story: RunStory): readonly Violation[] {
  return [...checkPlaces(story), ...checkGrowth(story), ...checkWritten(story)];
}

function checkPlaces(story: RunStory): readonly Violation[] {
  const { run, items } = story;
  const found = items.flatMap(({ seq }, place) =>
    seq === place ? [] : [breach("R3", story, `item ${place} says that it is item ${seq}`)],
  );
  if (run.items === items.length) return found;
  return [...found, breach("R3", story, `it has ${items.length} items, its record says ${run.items}`)];
}

function checkGrowth(story: RunStory): readonly Violation[] {
  const seen = [
    ...story.samples.map(({ at, digests }) => ({ when: `at ${at}`, digests })),
    { when: "at the end", digests: story.items.map(digestOf) },
  ];
  return seen.flatMap(({ when, digests }, index) => {
    const before = seen[index - 1]?.digests ?? [];
    const place = before.findIndex((digest, at) => digest !== digests[at]);
    if (place < 0) return [];
    const what = place < digests.length ? "another item" : "gone";
    return [breach("R3", story, `item ${place} is ${what} ${when}`)];
  });
}

/** A reply is told of in the script that writes it, so it is where it was said to be. */
function checkWritten(story: RunStory): readonly Violation[] {
  return story.events.flatMap(({ event }) => {
    if (event.type !== "turn") return [];
    const item = story.items[event.item];
    const isThere = item !== undefined && isReply(item) && item.epoch === event.epoch;
    return isThere
      ? []
      : [breach("R3", story, `the reply of epoch ${event.epoch} is not at its place ${event.item}`)];
  });
}
