import { expect, test } from "vitest";
import { RESEARCH_MODEL, TOPICS, WRITING_MODEL } from "../index.ts";
import { firstView, type RunView } from "./run-view.ts";
import { isMoment } from "./strike.ts";

/** All topics: the first ones handed over, then those that the victim has, the rest not begun or begun elsewhere. */
function scene(handedOver: number, heldTurns: readonly number[], rest: "waiting" | "working") {
  const all = TOPICS.map((topic, index): RunView => {
    const view = firstView(topic, RESEARCH_MODEL);
    if (index < handedOver) return { ...view, model: WRITING_MODEL };
    const turns = heldTurns[index - handedOver];
    return turns === undefined ? { ...view, state: rest } : { ...view, state: "working", turns };
  });
  return [all, all.slice(handedOver, handedOver + heldTurns.length), RESEARCH_MODEL] as const;
}

test("the kill comes when a third is researched and the victim has replies to lose in every phase", () => {
  expect(isMoment(...scene(5, [1, 2, 1], "waiting"))).toBe(true);
  expect(isMoment(...scene(4, [1, 2, 1], "waiting"))).toBe(false);
  expect(isMoment(...scene(5, [1, 2, 0], "waiting"))).toBe(false);
});

test("fewer phases are enough only when no other is left to be taken", () => {
  expect(isMoment(...scene(5, [1, 2], "waiting"))).toBe(false);
  expect(isMoment(...scene(5, [1], "working"))).toBe(true);
  expect(isMoment(...scene(5, [], "working"))).toBe(false);
});
