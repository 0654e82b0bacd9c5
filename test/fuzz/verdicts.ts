/** What a fuzz must show, one line each, and its figures. */
import type { Row } from "../bench/rows.ts";
import { RULES, type Rule } from "./judge.ts";
import type { FuzzOutcome } from "./run-fuzz.ts";

export interface Verdict {
  readonly name: string;
  readonly isMet: boolean;
  /** What was seen. */
  readonly seen: string;
}

/** Of compiled code, caches that are filled up to a bound, and metrics of what was met for the first time. */
const HEAP_GROWTH_BYTES_MAX = 8 * 1_048_576;
const DESCRIPTOR_GROWTH_MAX = 2;

/** They need what no request can make by itself: a run that waits for an approval, and MCP's stream, which there is not. */
const NEVER_SERVED: ReadonlySet<string> = new Set(["approveCalls", "rejectCalls", "mcpGET"]);
/** Fewer requests than this need not come to every operation. */
const WHOLE_REQUESTS_MIN = 5_000;

export function verdictsOf(outcome: FuzzOutcome): readonly Verdict[] {
  const { tally, before, after, audit, listed, unreadable, told, last, faults } = outcome;
  const rules = (Object.keys(RULES) as readonly Rule[]).map((rule): Verdict => {
    const broken = tally.found.filter(({ breach }) => breach.rule === rule);
    const seen = broken.map(({ index, one, breach }) => `#${index} ${one.family}: ${breach.what}`);
    return { name: RULES[rule], isMet: broken.length === 0, seen: seen.slice(0, 5).join("\n    ") };
  });
  const grown = after.heapBytes - before.heapBytes;
  const unserved = outcome.operations.filter(
    (id) => !NEVER_SERVED.has(id) && (tally.operations.get(id)?.served ?? 0) === 0,
  );
  return [
    ...rules,
    verdict("a run that is submitted afterwards succeeds", last === "200 succeeded Hello.", last),
    verdict("the API's log tells of no fault", faults.length === 0, faults.slice(0, 3).join("\n    ")),
    verdict(
      `the heap is back, within ${mebibytes(HEAP_GROWTH_BYTES_MAX)}`,
      grown <= HEAP_GROWTH_BYTES_MAX,
      `${mebibytes(before.heapBytes)}, then ${mebibytes(after.heapBytes)}`,
    ),
    verdict(
      "no socket or file stays open",
      after.descriptors <= before.descriptors + DESCRIPTOR_GROWTH_MAX,
      `${before.descriptors}, then ${after.descriptors}: ${JSON.stringify(after.resources)}`,
    ),
    verdict(
      "nobody waits for a run any more",
      after.waiters <= before.waiters,
      `${before.waiters}, then ${after.waiters}`,
    ),
    verdict("no request counts as unanswered", outcome.openRequests === 0, String(outcome.openRequests)),
    verdict("no upload is left", after.uploads === 0, String(after.uploads)),
    verdict(
      "each key in Redis belongs to something",
      audit.strays.length === 0,
      audit.strays.slice(0, 10).join(" "),
    ),
    verdict(
      "Redis has the runs that were accepted, and no other",
      audit.runs.size >= told && audit.runs.size <= tally.runsMax,
      `${told} were told, ${tally.runsMax} may have come, ${audit.runs.size} are there`,
    ),
    verdict(
      "each of them is listed and can be read",
      listed === audit.runs.size && unreadable.length === 0,
      `${listed} of ${audit.runs.size}; ${unreadable.slice(0, 3).join("; ")}`,
    ),
    ...(tally.sent < WHOLE_REQUESTS_MIN
      ? []
      : [verdict("each operation was also served", unserved.length === 0, unserved.join(" "))]),
  ];
}

export function rowsOf({ tally, seconds, before, after, audit, listed }: FuzzOutcome): readonly Row[] {
  const plain = (name: string, value: number, unit = ""): Row => ({ name, value, unit });
  return [
    plain("requests", tally.sent),
    plain("requests a second", tally.sent / seconds, "1/s"),
    ...sorted(tally.statuses).map(([name, count]) => plain(`answers ${name}`, count)),
    ...sorted(tally.outcomes).map(([name, count]) => plain(`exchanges ${name}`, count)),
    plain(`slowest of those that wait for nothing: ${tally.slowest}`, tally.slowestMs, "ms"),
    plain("runs accepted", listed),
    plain("keys in Redis", audit.keys),
    plain("heap before", before.heapBytes / 1_048_576, "MiB"),
    plain("heap after", after.heapBytes / 1_048_576, "MiB"),
    plain("rules broken", tally.breaches),
  ];
}

export function codesOf({ tally }: FuzzOutcome): string {
  return sorted(tally.codes)
    .map(([code, count]) => `${code} × ${count}`)
    .join(", ");
}

function sorted(counts: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
}

function verdict(name: string, isMet: boolean, seen: string): Verdict {
  return { name, isMet, seen };
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}
