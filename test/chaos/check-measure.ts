/**
 * What a history says in numbers: what was paid for twice, and how long runs stood still when what held them broke.
 */
import { accountOf } from "./check-purchases.ts";
import { type RunStory, tellStory } from "./check-story.ts";
import type { Fault, History } from "./history.ts";

export interface Times {
  readonly count: number;
  /** 0 when there are none. */
  readonly medianMs: number;
  readonly p99Ms: number;
}

export interface Measures {
  /** Replies that were bought after they were written. */
  readonly boughtAgain: number;
  /** Replies that were sold and never written. */
  readonly duplicates: number;
  readonly inFlightAtFaults: number;
  /** From a fault to the next sign of life, by another claim, of each run that its target held. */
  readonly recoveries: Times;
  /** The same for `worker_killed` alone. */
  readonly killRecoveries: Times;
}

export function measure(history: History): Measures {
  const story = tellStory(history);
  const { boughtAgain, duplicates } = accountOf(story);
  const byMark = new Map(story.runs.map((run) => [run.mark, run]));
  const recoveries = history.faults.flatMap((fault) =>
    fault.held.flatMap((mark) => {
      const run = byMark.get(mark);
      const ms = run === undefined ? undefined : recoveryMs(fault, run);
      return ms === undefined ? [] : [{ kind: fault.kind, ms }];
    }),
  );
  return {
    boughtAgain: boughtAgain.length,
    duplicates: duplicates.length,
    inFlightAtFaults: history.faults.reduce((sum, fault) => sum + fault.inFlight, 0),
    recoveries: timesOf(recoveries.map(({ ms }) => ms)),
    killRecoveries: timesOf(recoveries.filter(({ kind }) => kind === "worker_killed").map(({ ms }) => ms)),
  };
}

/** Undefined when the run was not at work, or its claim outlived the fault, or it was ended from outside. */
function recoveryMs(fault: Fault, { events }: RunStory): number | undefined {
  const before = events.findLast(({ at }) => at <= fault.at)?.event;
  if (before === undefined || (before.type === "status" && before.status !== "queued")) return undefined;
  const later = events.filter(({ at }) => at > fault.at);
  if (later.some(({ at, event }) => event.epoch === before.epoch && at > (fault.endedAt ?? fault.at))) {
    return undefined;
  }
  const next = later.find(({ event }) => event.epoch > before.epoch);
  if (next === undefined || (next.event.type === "status" && isStop(next.event.status))) return undefined;
  return next.at - fault.at;
}

function isStop(status: string): boolean {
  return status === "waiting" || status === "cancelled";
}

function timesOf(ms: readonly number[]): Times {
  const sorted = ms.toSorted((a, b) => a - b);
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { count: sorted.length, medianMs: rank(0.5), p99Ms: rank(0.99) };
}
