/**
 * Each rule switched off in the model, and what breaks then. A rule that breaks nothing alone is backed up by
 * others: with those off too, it is shown what it is for.
 */
import type { Invariant } from "./invariants.ts";
import type { RuleName } from "./rules.ts";
import { ONE_LOOK, type WorldOptions } from "./worlds.ts";

export interface Switch {
  readonly off: readonly RuleName[];
  readonly world: WorldOptions;
  readonly breaks: readonly Invariant[];
}

export const SWITCHES: readonly Switch[] = [
  { off: ["claim.status"], world: { turns: [1, 1], crash: 1 }, breaks: ["R6"] },
  { off: ["claim.behind"], world: { turns: [1, 1], without: ONE_LOOK }, breaks: ["R5"] },
  { off: ["claim.ahead"], world: { turns: [1, 1], reconcilers: 0, flush: 1 }, breaks: ["R4", "end"] },
  { off: ["claim.pool"], world: { turns: [1, 1], stall: 1, backoff: 1 }, breaks: ["R5"] },
  { off: ["claim.early"], world: { turns: [1], backoff: 1 }, breaks: ["time"] },
  { off: ["claim.own"], world: { unanswered: 1 }, breaks: ["R1"] },
  {
    off: ["kept.mark"],
    world: { turns: [1, 1], keeps: true, loss: 1, lostWritesMax: 3, without: ONE_LOOK },
    breaks: ["R3"],
  },
  { off: ["kept.length"], world: { turns: [2], keeps: true, backoff: 1, crash: 1 }, breaks: ["R5"] },
  { off: ["fence.claim"], world: { turns: [2], loss: 1 }, breaks: ["R2", "R3", "R5"] },
  { off: ["fence.epoch"], world: { turns: [2], stall: 1, lateClaim: 1 }, breaks: ["R2"] },
  { off: ["fence.claim", "fence.epoch"], world: { turns: [2], stall: 1 }, breaks: ["R2", "R5"] },
  { off: ["append.length"], world: { turns: [2], late: 1 }, breaks: ["R1", "R3", "R5"] },
  { off: ["commit.length"], world: { turns: [2], loss: 1 }, breaks: ["R3", "R5"] },
  { off: ["commit.mark"], world: { turns: [1, 1], unanswered: 1 }, breaks: ["R1"] },
  { off: ["commit.wait"], world: { turns: [2], pause: 1 }, breaks: ["pause"] },
  { off: ["commit.add"], world: { turns: [1, 1], reconcilers: 0 }, breaks: ["R4", "end"] },
  { off: ["enqueue.ticket"], world: { turns: [1], reconcilers: 0, backoff: 1 }, breaks: ["R4", "end"] },
  { off: ["enqueue.ticket"], world: { turns: [1], crash: 1, backoff: 1 }, breaks: ["R7"] },
  {
    off: ["enqueue.skips"],
    world: { turns: [1, 1], reconcilers: 0, pause: 1 },
    breaks: ["R4", "end"],
  },
  {
    off: ["enqueue.skips"],
    world: { turns: [1], reconcilers: 0, backoff: 1, cancel: 1, retry: 1 },
    breaks: ["R4", "end"],
  },
  {
    off: ["operations.remembered"],
    world: { turns: [1], late: 1, cancel: 1, retry: 1 },
    breaks: ["R1", "R5"],
  },
  {
    off: ["operations.eight"],
    world: { stall: 1, unanswered: 1, cancel: 1, retry: 1, without: ONE_LOOK },
    breaks: ["R1"],
  },
  { off: ["enqueue.admission"], world: { feeders: 1, turns: [1], pause: 1 }, breaks: ["admission"] },
  {
    off: ["add.admission", "claim.admission"],
    world: { feeders: 1, turns: [1], pause: 1 },
    breaks: ["admission"],
  },
  {
    off: ["feed.status", "admission.leave"],
    world: { feeders: 1, turns: [1], cancel: 1 },
    breaks: ["R6"],
  },
  { off: ["feed.early"], world: { feeders: 1, turns: [1], startsLater: true }, breaks: ["time"] },
  { off: ["feed.add"], world: { feeders: 1, turns: [1], reconcilers: 0 }, breaks: ["R4", "end"] },
  { off: ["reconciler.place"], world: { feeders: 1, turns: [1], orphan: 1 }, breaks: ["R4", "end"] },
  { off: ["retry.compare"], world: { turns: [1], cancel: 2, retry: 2 }, breaks: ["R3"] },
  { off: ["requeue.compare"], world: { turns: [1, 1], crash: 1 }, breaks: ["R5", "R6"] },
  { off: ["reconciler.requeue"], world: { turns: [1, 1], orphan: 1 }, breaks: ["R4", "end"] },
  { off: ["reconciler.lists"], world: { turns: [1, 1], orphan: 1 }, breaks: ["R4", "end"] },
  { off: ["reconciler.twice"], world: { turns: [1, 1], stall: 1, quickCalls: true }, breaks: ["R5"] },
  // Any two of these three say that a claim is over; each alone says it too.
  {
    off: ["fence.status", "end.claim", "end.epoch"],
    world: { turns: [2], cancel: 1 },
    breaks: ["R2", "R6"],
  },
  {
    off: ["commit.ticket", "claim.behind"],
    world: { turns: [1], backoff: 1, without: ONE_LOOK },
    breaks: ["R5", "R7"],
  },
];

export interface BackedUp {
  readonly off: readonly RuleName[];
  readonly by: string;
  readonly worlds: readonly WorldOptions[];
}

const PEOPLE: WorldOptions = { turns: [2], stall: 1, cancel: 1, retry: 1 };
const LOSS: WorldOptions = { turns: [2], loss: 1, stall: 1, lostWritesMax: 3, without: ONE_LOOK };
const CANCEL: WorldOptions = { turns: [1], loss: 1, cancel: 1, lostWritesMax: 3, without: ONE_LOOK };

const ADMISSION: WorldOptions = {
  ...{ feeders: 1, turns: [1], crash: 1, late: 1, pause: 1, cancel: 1, retry: 1 },
  without: ONE_LOOK,
};

/** Rules that break nothing when they alone are off. */
export const BACKED_UP: readonly BackedUp[] = [
  { off: ["fence.status"], by: "a claim id that is cleared when its claim ends", worlds: [PEOPLE, LOSS] },
  { off: ["end.claim"], by: "the status and the epoch", worlds: [PEOPLE, LOSS] },
  { off: ["end.epoch"], by: "the claim id and the status", worlds: [PEOPLE, LOSS] },
  { off: ["end.claim", "end.epoch"], by: "the status", worlds: [{ ...PEOPLE, retry: 0 }, CANCEL] },
  { off: ["fence.status", "end.epoch"], by: "the claim id", worlds: [{ ...PEOPLE, retry: 0 }, CANCEL] },
  { off: ["fence.status", "end.claim"], by: "the epoch", worlds: [{ ...PEOPLE, retry: 0 }, CANCEL] },
  {
    off: ["commit.ticket"],
    by: "the claim, which was granted for the run's own ticket",
    worlds: [{ turns: [1, 1], crash: 1, stall: 1, late: 1, backoff: 1, without: ONE_LOOK }, LOSS],
  },
  { off: ["add.admission"], by: "the claim, which finishes a job of ticket 0", worlds: [ADMISSION] },
  { off: ["claim.admission"], by: "the queue, which takes no job of ticket 0", worlds: [ADMISSION] },
  { off: ["feed.status"], by: "the place, which goes with the wait", worlds: [ADMISSION] },
  { off: ["admission.leave"], by: "the feeder, which looks at the record", worlds: [ADMISSION] },
  { off: ["fence.epoch"], by: "the claim id", worlds: [{ turns: [2], stall: 1, late: 1 }, LOSS] },
];
