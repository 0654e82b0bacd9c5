/**
 * What is broken when: a pure function of the seed. Every kind comes once before any comes twice, as far as it fits.
 *
 * S1. What is hit (an API, the clients' way, a worker, Redis) has one fault at a time; different ones may overlap.
 * S2. What is planned is over by the end of the time.
 */
import type { Planned } from "../chaos/planned-faults.ts";
import { fractionOf, numberOf, shuffled } from "../chaos/random.ts";

export const FAULT_KINDS = [
  "api_killed",
  "api_stopped",
  "apis_away",
  "api_frozen",
  "api_redis_reset",
  "api_redis_blackhole",
  "clients_reset",
  "clients_blackhole",
  "worker_killed",
  "redis_killed",
  "redis_frozen",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** The slot is that of an API or of a worker. */
export type PlannedFault = Planned<FaultKind>;

export interface ScheduleOptions {
  readonly seed: number;
  readonly durationMs: number;
}

export const APIS = 2;
export const WORKERS = 2;
const FIRST_MS = 1_500;
/** What is whole again first gets back to its work. */
const REST_MS = 1_000;

/** Shortest and longest. */
const SPANS_MS: Readonly<Record<FaultKind, readonly [number, number]>> = {
  api_killed: [0, 1_500],
  api_stopped: [0, 1_500],
  apis_away: [1_000, 3_000],
  api_frozen: [2_000, 6_000],
  api_redis_reset: [500, 4_000],
  api_redis_blackhole: [1_000, 5_000],
  clients_reset: [0, 1_000],
  clients_blackhole: [500, 4_000],
  worker_killed: [500, 2_000],
  redis_killed: [0, 2_000],
  redis_frozen: [1_000, 5_000],
};

export function scheduleOf({ seed, durationMs }: ScheduleOptions): readonly PlannedFault[] {
  const planned: PlannedFault[] = [];
  const freeMs = new Map<string, number>();
  let deck: readonly FaultKind[] = [];
  let decks = 0;
  for (let atMs = FIRST_MS; atMs < durationMs; atMs += gapMs(seed, durationMs, planned.length)) {
    if (deck.length === 0) deck = shuffled(FAULT_KINDS, seed, "deck", decks++);
    const number = planned.length;
    const kind = deck.find((one) => fits(faultOf(seed, one, atMs, number), durationMs, freeMs));
    if (kind === undefined) continue;
    const fault = faultOf(seed, kind, atMs, number);
    deck = deck.filter((one) => one !== kind);
    planned.push(fault);
    for (const target of targetsOf(fault)) freeMs.set(target, atMs + fault.durationMs + REST_MS);
  }
  return planned;
}

function faultOf(seed: number, kind: FaultKind, atMs: number, number: number): PlannedFault {
  const key = [seed, "fault", number, kind] as const;
  const slots = kind === "worker_killed" ? WORKERS : APIS;
  return {
    atMs,
    kind,
    slot: numberOf(0, slots - 1, ...key, "slot"),
    durationMs: numberOf(...SPANS_MS[kind], ...key, "ms"),
  };
}

function fits(fault: PlannedFault, durationMs: number, freeMs: ReadonlyMap<string, number>): boolean {
  const isOver = fault.atMs + fault.durationMs <= durationMs;
  return isOver && targetsOf(fault).every((target) => (freeMs.get(target) ?? 0) <= fault.atMs);
}

/** What the fault hits, by name. */
export function targetsOf({ kind, slot }: PlannedFault): readonly string[] {
  switch (kind) {
    case "apis_away":
      return Array.from({ length: APIS }, (_, api) => `api${api}`);
    case "api_killed":
    case "api_stopped":
    case "api_frozen":
    case "api_redis_reset":
    case "api_redis_blackhole":
      return [`api${slot}`];
    case "clients_reset":
    case "clients_blackhole":
      return ["clients"];
    case "worker_killed":
      return [`w${slot}`];
    case "redis_killed":
    case "redis_frozen":
      return ["redis"];
  }
}

/** One to three seconds; less when the time is short, so that most kinds come. */
function gapMs(seed: number, durationMs: number, number: number): number {
  const mean = Math.min(2_000, Math.max(1_000, durationMs / 20));
  return Math.round(mean * (0.5 + fractionOf(seed, "gap", number)));
}
