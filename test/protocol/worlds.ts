/**
 * The worlds that are explored with every rule kept. Each is small, and goes wrong in its own ways; all of them
 * together at once would have too many states.
 *
 * The explorer knows no time, so two looks of the reconciler are no more patient than one: most worlds are run
 * with one look, which does all that two do and more in fewer states.
 */
import { type Budget, NO_ADVERSITY, type Scenario } from "./model.ts";
import { type RuleName, rulesWithout } from "./rules.ts";
import type { World } from "./step.ts";

/** What a world differs in from the usual one: two phases of two turns and one, two workers, one reconciler. */
export type WorldOptions = Partial<Omit<Scenario, "name" | "budget">> &
  Partial<Budget> & {
    readonly without?: readonly RuleName[];
    /** False: every order of steps that do nothing is played through. */
    readonly settles?: boolean;
  };

export function worldOf(name: string, options: WorldOptions): World {
  const { turns = [2, 1], workers = 2, reconcilers = 1, feeders = 0, lostWritesMax = 4 } = options;
  const { keeps = false, quickCalls = false, startsLater = false } = options;
  const { without = [], settles = true } = options;
  // The names of the literal are exactly those of a budget.
  const adversities = Object.keys(NO_ADVERSITY) as (keyof Budget)[];
  const budget: Record<keyof Budget, number> = { ...NO_ADVERSITY };
  for (const adversity of adversities) budget[adversity] = options[adversity] ?? 0;
  return {
    name,
    turns,
    workers,
    reconcilers,
    feeders,
    startsLater,
    keeps,
    lostWritesMax,
    quickCalls,
    budget,
    rules: rulesWithout(without),
    holdsToCore: without.every((rule) => rule === "reconciler.twice"),
    settles,
  };
}

/** A world's differences in a line, for the names of tests. */
export function wordsOf({ without: _without, ...world }: WorldOptions): string {
  return JSON.stringify(world).replaceAll('"', "");
}

export const ONE_LOOK = ["reconciler.twice"] as const;

export interface BaseWorld {
  readonly name: string;
  readonly options: WorldOptions;
  /** Fewer would mean that the world does not happen any more. */
  readonly statesMin: number;
}

export const BASE_WORLDS: readonly BaseWorld[] = [
  {
    name: "nothing goes wrong",
    options: {},
    statesMin: 26,
  },
  {
    name: "two crashes, two stalls, a flushed script cache",
    options: { crash: 2, stall: 2, flush: 1, without: ONE_LOOK },
    statesMin: 16_000,
  },
  {
    name: "a crash, a stall, a flushed script cache, with two looks",
    options: { crash: 1, stall: 1, flush: 1 },
    statesMin: 2_000,
  },
  {
    name: "three phases, two crashes, a stall",
    options: { turns: [1, 2, 1], crash: 2, stall: 1, flush: 1, without: ONE_LOOK },
    statesMin: 7_900,
  },
  {
    name: "commands unanswered and repeated late",
    options: { crash: 1, stall: 1, flush: 1, unanswered: 1, late: 1, without: ONE_LOOK },
    statesMin: 61_000,
  },
  {
    name: "a late repeat of a claim",
    options: { crash: 1, stall: 1, late: 1, lateClaim: 1, without: ONE_LOOK },
    statesMin: 52_000,
  },
  {
    name: "failing calls and a retry",
    options: { crash: 1, stall: 1, backoff: 1, refusal: 1, retry: 1, without: ONE_LOOK },
    statesMin: 19_000,
  },
  {
    name: "a cancel and a retry",
    options: { crash: 1, stall: 1, flush: 1, backoff: 1, cancel: 1, retry: 1, without: ONE_LOOK },
    statesMin: 64_000,
  },
  {
    name: "a job that leaves only its hash",
    options: { crash: 1, stall: 1, backoff: 1, orphan: 1, without: ONE_LOOK },
    statesMin: 19_000,
  },
  {
    name: "two reconcilers",
    options: { reconcilers: 2, crash: 1, stall: 1, flush: 1, unanswered: 1, without: ONE_LOOK },
    statesMin: 11_000,
  },
  {
    name: "nobody dies and nothing is repaired",
    options: { reconcilers: 0, flush: 1, unanswered: 1, late: 1, backoff: 1, refusal: 1 },
    statesMin: 2_100,
  },
  {
    name: "calls that are quicker than the reconciler",
    options: { quickCalls: true, crash: 1, stall: 1, flush: 1, unanswered: 1 },
    statesMin: 5_600,
  },
  {
    name: "conversations that are kept",
    options: { keeps: true, crash: 1, stall: 1, backoff: 1, unanswered: 1, without: ONE_LOOK },
    statesMin: 36_000,
  },
  {
    name: "conversations that are kept while writes are lost",
    options: { keeps: true, turns: [1, 1], loss: 1, lostWritesMax: 3, without: ONE_LOOK },
    statesMin: 55_000,
  },
  {
    name: "lost writes and a crash",
    options: { turns: [2], loss: 1, crash: 1, without: ONE_LOOK },
    statesMin: 12_000,
  },
  {
    name: "lost writes and a stall",
    options: { turns: [2], loss: 1, stall: 1, without: ONE_LOOK },
    statesMin: 25_000,
  },
  {
    name: "lost writes and unanswered commands",
    options: { turns: [2], loss: 1, unanswered: 1, without: ONE_LOOK },
    statesMin: 12_000,
  },
  {
    name: "writes lost twice",
    options: { turns: [2], loss: 2, lostWritesMax: 3, without: ONE_LOOK },
    statesMin: 43_000,
  },
  {
    name: "writes lost across a handoff",
    options: { turns: [2, 1], loss: 1, without: ONE_LOOK },
    statesMin: 45_000,
  },
  {
    name: "a handoff that another outcome replaces when its writes are lost",
    options: { turns: [1, 1], loss: 1, workers: 1, backoff: 1, without: ONE_LOOK },
    statesMin: 73_000,
  },
  {
    name: "a cancel and a retry whose writes are lost",
    options: { turns: [1], loss: 1, cancel: 1, retry: 1, lostWritesMax: 3, without: ONE_LOOK },
    statesMin: 99_000,
  },
  {
    name: "a pause that is taken back",
    options: { crash: 1, stall: 1, flush: 1, backoff: 1, pause: 1, without: ONE_LOOK },
    statesMin: 44_000,
  },
  {
    name: "two pauses, and nothing is repaired",
    options: { reconcilers: 0, flush: 1, unanswered: 1, late: 1, backoff: 1, pause: 2 },
    statesMin: 69_000,
  },
  {
    name: "a pause, a cancel and a retry, and nothing is repaired",
    options: {
      ...{ turns: [1, 1], reconcilers: 0, flush: 1, late: 1, backoff: 1, refusal: 1 },
      ...{ pause: 1, cancel: 1, retry: 1 },
    },
    statesMin: 47_000,
  },
  {
    name: "conversations that are kept across a pause",
    options: { keeps: true, stall: 1, unanswered: 1, pause: 1, without: ONE_LOOK },
    statesMin: 14_000,
  },
  {
    name: "a pause whose writes are lost",
    options: { turns: [1], loss: 1, pause: 1, without: ONE_LOOK },
    statesMin: 100_000,
  },
  {
    name: "a command that is sent again behind many others",
    options: { stall: 1, unanswered: 1, cancel: 1, retry: 1, without: ONE_LOOK },
    statesMin: 13_000,
  },
  {
    name: "a run that waits for its admission",
    options: { feeders: 1, crash: 2, stall: 1, flush: 1, unanswered: 1, without: ONE_LOOK },
    statesMin: 15_000,
  },
  {
    name: "admissions repeated late, and people who stop and go",
    options: { feeders: 1, turns: [1], late: 2, cancel: 1, pause: 1, retry: 1, without: ONE_LOOK },
    statesMin: 11_000,
  },
  {
    name: "a run that waits for its admission, people, and nothing is repaired",
    options: {
      ...{ feeders: 1, turns: [1, 1], reconcilers: 0, flush: 1, backoff: 1, refusal: 1 },
      ...{ pause: 2, cancel: 1, retry: 1 },
    },
    statesMin: 7_700,
  },
  {
    name: "a run that waits for its time before its admission",
    options: { feeders: 1, startsLater: true, turns: [1], crash: 1, stall: 1, pause: 1, cancel: 1, retry: 1 },
    statesMin: 4_900,
  },
  {
    name: "two feeders, and a place that is lost",
    options: {
      feeders: 2,
      turns: [1],
      orphan: 1,
      crash: 1,
      stall: 1,
      unanswered: 1,
      pause: 1,
      without: ONE_LOOK,
    },
    statesMin: 26_000,
  },
  {
    name: "an admission whose writes are lost",
    options: { feeders: 1, turns: [1], loss: 1, crash: 1, unanswered: 1, without: ONE_LOOK },
    statesMin: 43_000,
  },
  {
    name: "an admission and a pause whose writes are lost",
    options: { feeders: 1, turns: [1], loss: 1, pause: 1, lostWritesMax: 2, without: ONE_LOOK },
    statesMin: 55_000,
  },
];
