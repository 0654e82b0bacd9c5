/** What a chaos run came to: a table for people, rows for machines, and one count an invariant. */

import { measure } from "./checker.ts";
import type { History, Violation } from "./history.ts";
import { FAULT_KINDS, isOf, REDIS_FAULTS } from "./schedule.ts";

export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The bar, and whether the value meets it. */
  readonly bar?: number;
  readonly ok?: boolean;
}

export interface Verdict {
  readonly history: History;
  readonly violations: readonly Violation[];
  readonly measures: ReturnType<typeof measure>;
  readonly notes: readonly string[];
}

export const INVARIANTS: readonly Violation["invariant"][] = [
  "R1",
  "R2",
  "R3",
  "R4",
  "R5",
  "R6",
  "R7",
  "R8",
  "R9",
  "conversation",
  "lost",
];
const RECOVERY_BAR_MS = 5_000;
const SHOWN_MAX = 8;

export function rowsOf({ history, violations, measures }: Verdict): readonly Row[] {
  const { runs, purchases, faults, submissions } = history;
  const { recoveries } = measures;
  const { killRecoveries } = measure({ ...history, faults: withRedisThere(faults) });
  const count = (name: string, value: number, bar?: number): Row =>
    bar === undefined ? { name, value, unit: "" } : { name, value, unit: "", bar, ok: value <= bar };
  const statuses = [...Map.groupBy(runs, ({ run }) => run.status)].sort(([a], [b]) => (a < b ? -1 : 1));
  const spoiled = [...Map.groupBy(purchases, ({ fault }) => fault ?? "")].filter(([fault]) => fault !== "");
  return [
    ...FAULT_KINDS.map((kind) =>
      count(`fault: ${kind}`, faults.filter((fault) => fault.kind === kind).length),
    ),
    count("submits", submissions.filter(({ did }) => did === "asked").length),
    ...statuses.map(([status, some]) => count(`runs ${status}`, some.length)),
    count("calls sold", purchases.filter(({ soldAt }) => soldAt !== undefined).length),
    ...spoiled.map(([fault, some]) => count(`provider: ${fault}`, some.length)),
    count(
      "requests that an API would refuse",
      purchases.filter(({ invalid }) => invalid !== undefined).length,
      0,
    ),
    count("tool calls", history.toolRuns.length),
    count("in flight at faults", measures.inFlightAtFaults),
    count("written replies bought again", measures.boughtAgain, 0),
    count("duplicates", measures.duplicates, measures.inFlightAtFaults),
    count("recoveries", recoveries.count),
    { name: "recovery, median", value: recoveries.medianMs, unit: "ms" },
    { name: "recovery, p99", value: recoveries.p99Ms, unit: "ms" },
    count("from kill -9, with Redis there", killRecoveries.count),
    {
      name: "recovery from kill -9, median",
      value: killRecoveries.medianMs,
      unit: "ms",
      // Nothing was measured: nothing is met.
      ...(killRecoveries.count === 0
        ? {}
        : { bar: RECOVERY_BAR_MS, ok: killRecoveries.medianMs <= RECOVERY_BAR_MS }),
    },
    { name: "recovery from kill -9, p99", value: killRecoveries.p99Ms, unit: "ms" },
    count("violations", violations.length, 0),
  ];
}

/** A run cannot go on while Redis is away, however quickly its worker is missed: such kills say nothing of that. */
function withRedisThere(faults: History["faults"]): History["faults"] {
  const away = faults.filter(({ kind }) => isOf(REDIS_FAULTS, kind));
  return faults.filter(
    ({ at }) => !away.some((one) => one.at <= at + RECOVERY_BAR_MS && (one.endedAt ?? one.at) >= at),
  );
}

export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(({ name, value, unit, bar, ok }) => {
    const shown = Number.isFinite(value) ? value.toFixed(0) : "-";
    const verdict =
      bar === undefined ? "" : `  bar ${bar}${unit === "" ? "" : ` ${unit}`}  ${ok ? "met" : "NOT MET"}`;
    return `${name.padEnd(36)}${shown.padStart(8)} ${unit.padEnd(3)}${verdict}`.trimEnd();
  });
  return `${lines.join("\n")}\n`;
}

/** One line an invariant, with the first of what breaks it. */
export function judgementOf({ violations, notes }: Verdict): string {
  const by = Map.groupBy(violations, ({ invariant }) => invariant);
  const lines = INVARIANTS.flatMap((invariant) => {
    const some = by.get(invariant) ?? [];
    if (some.length === 0) return [`${invariant}: holds`];
    const shown = some.slice(0, SHOWN_MAX).map(({ runId, what }) => `  ${runId}: ${what}`);
    return [`${invariant}: ${some.length} VIOLATIONS`, ...shown];
  });
  return `${[...lines, ...notes.map((note) => `note: ${note}`)].join("\n")}\n`;
}

export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

/** One for each invariant, and one for that there was anything to judge. */
export function tallyOf({ history, violations }: Verdict): Tally {
  const broken = new Set(violations.map(({ invariant }) => invariant)).size;
  const idle =
    history.faults.length === 0 ||
    !history.runs.some(({ run }) => run.status === "succeeded") ||
    !history.purchases.some(({ soldAt }) => soldAt !== undefined);
  return { passed: INVARIANTS.length - broken + (idle ? 0 : 1), failed: broken + (idle ? 1 : 0) };
}
