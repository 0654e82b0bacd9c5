/**
 * What is broken when: a pure function of the seed. Every kind that fits into the time comes once before any comes
 * twice, but for the death of a worker, which comes between all of them.
 *
 * S1. A worker has one fault at a time, and the two that serve a provider's models are not hit at once while the
 *     others are whole.
 * S2. Redis has one fault at a time, and what needs it to answer is not planned while it is away.
 * S3. What is planned is over by the end of the time.
 */
import type { Planned } from "./planned-faults.ts";
import { fractionOf, numberOf, shuffled } from "./random.ts";

/** By what it hits. */
export const WORKER_FAULTS = [
  "worker_killed",
  "worker_frozen",
  "loop_stalled",
  "network_reset",
  "network_blackhole",
] as const;
export const REDIS_FAULTS = ["redis_killed", "redis_away", "aof_truncated"] as const;
export const QUEUE_FAULTS = ["scripts_flushed", "queue_obliterated", "job_deleted", "job_unlisted"] as const;
export const PRODUCER_FAULTS = ["producer_killed"] as const;

export const FAULT_KINDS = [...WORKER_FAULTS, ...REDIS_FAULTS, ...QUEUE_FAULTS, ...PRODUCER_FAULTS] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** The slot is that of a worker. */
export type PlannedFault = Planned<FaultKind>;

export interface ScheduleOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly workers: number;
  /** Whether Redis loses the end of its append-only file, once. */
  readonly truncates: boolean;
}

const FIRST_MS = 3_000;
/** A worker that is whole again first has to come back to its work, and so has Redis. */
const REST_MS = 2_000;

export function scheduleOf(options: ScheduleOptions): readonly PlannedFault[] {
  const { durationMs, workers } = options;
  const planned: PlannedFault[] = [];
  const workerFreeMs = new Array<number>(workers).fill(0);
  let redisFreeMs = 0;
  let deck: FaultKind[] = [];
  let decks = 0;
  let atMs = FIRST_MS;
  while (atMs < durationMs) {
    if (deck.length === 0) deck = [...deckOf(options, decks++)];
    const draw = deck
      .map((kind, place) => ({ kind, place, ...extentOf(kind, options, planned.length) }))
      .find(({ kind, lastsMs, slot }) => {
        if (atMs + lastsMs > durationMs) return false;
        if (isOf(WORKER_FAULTS, kind)) return freeSlot(workerFreeMs, slot, atMs) !== undefined;
        // A producer that cannot reach Redis is not in the midst of anything.
        return atMs >= redisFreeMs;
      });
    if (draw !== undefined) {
      const { kind, lastsMs } = draw;
      const slot = isOf(WORKER_FAULTS, kind) ? freeSlot(workerFreeMs, draw.slot, atMs) : draw.slot;
      if (slot === undefined) throw new Error("the fault that was found has no worker");
      deck.splice(draw.place, 1);
      planned.push({ atMs, kind, slot, durationMs: lastsMs });
      if (isOf(WORKER_FAULTS, kind)) workerFreeMs[slot] = atMs + lastsMs + REST_MS;
      if (isOf(REDIS_FAULTS, kind)) redisFreeMs = atMs + lastsMs + REST_MS;
    } else if (deck.every((kind) => extentOf(kind, options, planned.length).lastsMs + atMs > durationMs)) {
      break;
    }
    atMs += gapMs(options, planned.length);
  }
  return planned;
}

export function isOf<Kind extends string>(kinds: readonly Kind[], kind: string): kind is Kind {
  return (kinds as readonly string[]).includes(kind);
}

/**
 * Every kind once, in an order of its own, and a worker killed after every second one. In a short time
 * the long ones come first, or they would not fit.
 */
function deckOf({ seed, durationMs, truncates }: ScheduleOptions, number: number): readonly FaultKind[] {
  const once = FAULT_KINDS.filter(
    (kind) => kind !== "worker_killed" && (kind !== "aof_truncated" || (truncates && number === 0)),
  );
  const order = shuffled(once, seed, "deck", number);
  const isLong = (kind: FaultKind): boolean => SPANS_MS[kind][1] >= 5_000 && durationMs < 60_000;
  const sorted = [...order.filter(isLong), ...order.filter((kind) => !isLong(kind))];
  return sorted.flatMap((kind, place) =>
    place % 2 === 0 ? (["worker_killed", kind] as const) : ([kind] as const),
  );
}

function extentOf(
  kind: FaultKind,
  { seed, workers }: ScheduleOptions,
  number: number,
): { readonly lastsMs: number; readonly slot: number } {
  const key = [seed, "fault", number, kind] as const;
  return {
    lastsMs: numberOf(...SPANS_MS[kind], ...key, "ms"),
    slot: numberOf(0, workers - 1, ...key, "slot"),
  };
}

/** Shortest and longest. A lock lasts 4 s: a worker that is away for longer comes back as a zombie. */
const SPANS_MS: Readonly<Record<FaultKind, readonly [number, number]>> = {
  worker_killed: [1_000, 3_000],
  worker_frozen: [6_000, 9_000],
  loop_stalled: [5_000, 7_000],
  network_reset: [3_000, 8_000],
  network_blackhole: [3_000, 8_000],
  redis_killed: [0, 0],
  redis_away: [10_000, 10_000],
  aof_truncated: [1_000, 1_000],
  scripts_flushed: [0, 0],
  queue_obliterated: [0, 0],
  job_deleted: [0, 0],
  job_unlisted: [0, 0],
  producer_killed: [0, 0],
};

/** The asked-for worker, or the next that is free, by S1. */
function freeSlot(freeMs: readonly number[], asked: number, atMs: number): number | undefined {
  const order = freeMs.map((_, place) => (asked + place) % freeMs.length);
  const free = order.filter((slot) => (freeMs[slot] ?? 0) <= atMs);
  const partner = (slot: number): number => (slot % 2 === 0 ? slot + 1 : slot - 1);
  return free.find((slot) => (freeMs[partner(slot)] ?? 0) <= atMs) ?? free[0];
}

/** Three to five seconds; less when the time is short, so that every kind comes. */
function gapMs({ seed, durationMs }: ScheduleOptions, number: number): number {
  const mean = Math.min(4_000, Math.max(1_500, durationMs / 24));
  return Math.round(mean * (0.75 + 0.5 * fractionOf(seed, "gap", number)));
}
