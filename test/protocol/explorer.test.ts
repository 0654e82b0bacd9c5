/** The explorer itself: what it leaves out of a state must make no difference. */
import { describe, expect, test } from "vitest";
import { stepsFrom } from "./actions.ts";
import { explore } from "./explore.ts";
import { broken } from "./invariants.ts";
import { keyOf } from "./keys.ts";
import { initialState, type State } from "./model.ts";
import type { World } from "./step.ts";
import { printTrace } from "./trace.ts";
import { ONE_LOOK, type WorldOptions, wordsOf, worldOf } from "./worlds.ts";

/** What may happen next, as the explorer sees it. */
function futureOf(state: State, world: World): string {
  const next = stepsFrom(state, world).map(
    (step) => `${step.kind} ${broken(state, step, world)} ${keyOf(step.next)}`,
  );
  return [...new Set(next)].sort().join("\n");
}

/** Looks at every state on every way that leads to it, and not only on the first; how many were met again. */
function meetAgain(world: World): number {
  const futures = new Map<string, string>();
  const first = initialState(world);
  const queue = [first];
  futures.set(keyOf(first), futureOf(first, world));
  let again = 0;
  for (let state = queue.shift(); state !== undefined; state = queue.shift()) {
    for (const { next } of stepsFrom(state, world)) {
      const key = keyOf(next);
      const future = futureOf(next, world);
      const known = futures.get(key);
      if (known === undefined) {
        futures.set(key, future);
        queue.push(next);
        continue;
      }
      again += 1;
      expect(future, key).toBe(known);
    }
  }
  return again;
}

describe("states with the same key can do the same", () => {
  const worlds: readonly WorldOptions[] = [
    { crash: 1, stall: 1, unanswered: 1, without: ONE_LOOK },
    { turns: [2], stall: 1, flush: 1, late: 1, without: ONE_LOOK },
    { turns: [1], stall: 1, lateClaim: 1, settles: false, without: ONE_LOOK },
    { turns: [1], keeps: true, loss: 1, backoff: 1, lostWritesMax: 1, without: ONE_LOOK },
    { turns: [1], late: 1, cancel: 1, retry: 1, without: ONE_LOOK },
    { turns: [2], unanswered: 1, pause: 1, refusal: 1, without: ONE_LOOK },
    { turns: [2], loss: 1, unanswered: 1, lostWritesMax: 2, without: ONE_LOOK },
    { turns: [1], loss: 1, cancel: 1, lostWritesMax: 2, without: ONE_LOOK },
    { turns: [1], loss: 1, pause: 1, lostWritesMax: 1, without: ONE_LOOK },
    { turns: [1, 1], orphan: 1, backoff: 1, reconcilers: 2, without: ONE_LOOK },
    { turns: [1], feeders: 1, late: 1, pause: 1, cancel: 1, retry: 1, without: ONE_LOOK },
    { turns: [1], feeders: 2, startsLater: true, orphan: 1, crash: 1, unanswered: 1, without: ONE_LOOK },
    { turns: [1], feeders: 1, loss: 1, pause: 1, lostWritesMax: 1, without: ONE_LOOK },
    { turns: [1], feeders: 1, pause: 2, cancel: 1, without: [...ONE_LOOK, "feed.status", "admission.leave"] },
  ];
  const rows = worlds.map((options) => ({ options, where: wordsOf(options) }));
  test.each(rows)("$where", ({ options }) => {
    expect(meetAgain(worldOf("met again", options))).toBeGreaterThan(100);
  });
});

describe("what is settled early settles the same", () => {
  const worlds: readonly WorldOptions[] = [
    { crash: 1, stall: 1, without: ONE_LOOK },
    { turns: [2], unanswered: 1, late: 1, without: ONE_LOOK },
    { turns: [2], stall: 1, lateClaim: 1, without: ONE_LOOK },
    { turns: [1, 1], reconcilers: 0, pause: 1 },
    { turns: [1, 1], reconcilers: 0, pause: 1, without: ["enqueue.skips"] },
    { turns: [1], reconcilers: 0, backoff: 1, cancel: 1, retry: 1 },
    { turns: [1], reconcilers: 0, backoff: 1, cancel: 1, retry: 1, without: ["enqueue.skips"] },
    { turns: [2], reconcilers: 0, unanswered: 1, pause: 1, refusal: 1, retry: 1 },
    { turns: [2], stall: 1, unanswered: 1, pause: 1, without: ONE_LOOK },
    { turns: [2], pause: 1, refusal: 1, without: ONE_LOOK },
    { turns: [1, 1], crash: 1, reconcilers: 0 },
    { turns: [1, 1], stall: 1, backoff: 1, without: [...ONE_LOOK, "claim.pool"] },
    { turns: [1], feeders: 1, late: 1, crash: 1, pause: 1, without: ONE_LOOK },
    { turns: [1], feeders: 2, reconcilers: 0, pause: 1, cancel: 1, retry: 1 },
    { turns: [1], feeders: 1, orphan: 1, unanswered: 1, without: ONE_LOOK },
    { turns: [1], quickCalls: true, stall: 1, without: ONE_LOOK },
    { turns: [1], late: 1, cancel: 1, retry: 1, without: [...ONE_LOOK, "operations.remembered"] },
  ];
  const rows = worlds.map((options) => ({ options, where: wordsOf(options) }));
  test.each(rows)("$where", ({ options }) => {
    const settled = explore(worldOf("settled", options));
    const raw = explore(worldOf("raw", { ...options, settles: false }));
    expect([...settled.broken.keys()].sort()).toEqual([...raw.broken.keys()].sort());
    expect(settled.states).toBeLessThanOrEqual(raw.states);
  });
});

test("a counterexample tells each step and what Redis holds after it", () => {
  const { broken: found } = explore(worldOf("no reconciler", { turns: [1], crash: 1, reconcilers: 0 }));
  const counterexample = found.get("end");
  if (counterexample === undefined) throw new Error("nothing was found");
  expect(printTrace("end", counterexample).split("\n")).toEqual([
    "end breaks: every run can still end, with nothing left behind",
    "  1. the sender dies before it adds job a-1",
    "       queued in a, ticket 1, e1, [input1], jobs {}",
    "     … and from here on there is no way.",
  ]);
});
