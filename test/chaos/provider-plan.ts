/**
 * What a simulated provider does with a request: decided by the job, the place in its run and the number of the
 * attempt, so that the same seed gives the same replies and the same faults, whatever the workers suffer.
 */
import { type Job, jobOfMark, type Step } from "./jobs.ts";
import { fractionOf, numberOf } from "./random.ts";

export const PROVIDER_FAULTS = [
  "error",
  "overloaded",
  "rate_limited",
  "hang",
  "cut",
  "garbage",
  "empty",
  "rejected",
] as const;
export type ProviderFault = (typeof PROVIDER_FAULTS)[number];

export interface Decision {
  readonly job: Job;
  readonly step: Step;
  /** Replies that the run has. */
  readonly place: number;
  readonly fault: ProviderFault | undefined;
  /** From the request to the last byte. */
  readonly latencyMs: number;
  /** Whether the reply opens with thinking, where the model can. */
  readonly thinks: boolean;
}

/** Of a hundred requests; the rest is answered well. */
const PERCENT: readonly (readonly [ProviderFault, number])[] = [
  ["error", 3],
  ["overloaded", 3],
  ["rate_limited", 2],
  ["hang", 2],
  ["cut", 3],
  ["garbage", 1],
  ["empty", 1],
];

/** `attempt` counts the requests for this place, from 0. */
export function decisionOf(mark: string, place: number, attempt: number): Decision {
  const job = jobOfMark(mark);
  const key = [mark, "reply", place, attempt] as const;
  const rejected = job.rejectedAt === place && attempt === 0;
  return {
    job,
    step: job.steps[place] ?? { kind: "text" },
    place,
    fault: rejected ? "rejected" : faultOf(fractionOf(...key, "fault")),
    latencyMs: numberOf(50, 800, ...key, "latency"),
    thinks: fractionOf(...key, "thinks") < 0.5,
  };
}

function faultOf(fraction: number): ProviderFault | undefined {
  let percent = fraction * 100;
  for (const [fault, share] of PERCENT) {
    if (percent < share) return fault;
    percent -= share;
  }
  return undefined;
}

const NONCE = /nonce\.(\d+)\.[0-9a-z]{6}/g;
const PLACE = /place\.(\d+)/g;

/** A text that stands in one reply alone and tells the place that it was bought for. */
export function nonceOf(place: number, count: number): string {
  return `nonce.${place}.${count.toString(36).padStart(6, "0")}`;
}

/** What a brief carries, so that the next model knows the place when it is shown nothing but the brief. */
export function placeMark(place: number): string {
  return `place.${place}`;
}

/** How many replies the run has and how many of them the request shows: fewer where a brief is all that is shown. */
export function placeOf(body: string): { readonly place: number; readonly shown: number } {
  const nonces = [...body.matchAll(NONCE)];
  const places = [
    ...nonces.map(([, number]) => Number(number) + 1),
    ...[...body.matchAll(PLACE)].map(([, number]) => Number(number)),
  ];
  return { place: Math.max(0, ...places), shown: new Set(nonces.map(([nonce]) => nonce)).size };
}
