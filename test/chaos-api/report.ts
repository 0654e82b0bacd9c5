/** What a chaos run through the API came to: rows for machines and people, and one count for each invariant and check. */
import { checkHistory } from "../chaos/checker.ts";
import { readHistory } from "../chaos/read-history.ts";
import { INVARIANTS, type Row, tableOf } from "../chaos/report.ts";
import { CHECKS, judge } from "./judge.ts";
import { readStories } from "./read-stories.ts";
import { FAULT_KINDS } from "./schedule.ts";
import { KINDS } from "./stories.ts";
import { submittedHistory } from "./submitted-history.ts";

const SHOWN_MAX = 8;

export interface Report {
  readonly rows: readonly Row[];
  readonly text: string;
  readonly passed: number;
  readonly failed: number;
}

export function report(folder: string, jobs: number): Report {
  const history = readHistory(folder);
  const stories = readStories(folder, history, jobs);
  const violations = checkHistory(submittedHistory(history));
  const breaches = judge(stories, history);
  const found = [
    ...violations.map(({ invariant, runId, what }) => ({
      name: invariant as string,
      said: `${runId}: ${what}`,
    })),
    ...breaches.map(({ check, where, what }) => ({ name: check as string, said: `${where}: ${what}` })),
  ];
  const by = Map.groupBy(found, ({ name }) => name);
  const lines = [...INVARIANTS, ...CHECKS].flatMap((name) => {
    const some = by.get(name) ?? [];
    if (some.length === 0) return [`${name}: holds`];
    return [`${name}: ${some.length} VIOLATIONS`, ...some.slice(0, SHOWN_MAX).map(({ said }) => `  ${said}`)];
  });
  // What saw no fault, no answer and no stream has judged nothing.
  const { answers, watched } = stories;
  const isIdle =
    history.faults.length === 0 ||
    watched.length === 0 ||
    !answers.some(({ outcome }) => outcome.kind === "text");
  const failed = by.size + (isIdle ? 1 : 0);
  const { length: judged } = [...INVARIANTS, ...CHECKS];
  const rows: readonly Row[] = [
    ...FAULT_KINDS.map((kind) =>
      count(`fault: ${kind}`, history.faults.filter((one) => one.kind === kind).length),
    ),
    ...KINDS.map((kind) => count(`answers: ${kind}`, answers.filter((one) => one.kind === kind).length)),
    count("answers with a text", answers.filter(({ outcome }) => outcome.kind === "text").length),
    count("requests answered", stories.exchanges.filter(({ status }) => status > 0).length),
    count("answered 503", stories.exchanges.filter(({ status }) => status === 503).length),
    count(
      "refused by the bound of a key",
      stories.exchanges.filter(({ key, status }) => key !== undefined && (status === 402 || status === 429))
        .length,
    ),
    count("asked more than once", answers.filter(({ asks }) => asks > 1).length),
    count(
      "connections of watchers",
      watched.reduce((sum, one) => sum + connectionsOf(one.frames), 0),
    ),
    count("runs", history.runs.length),
    count("calls sold", history.purchases.filter(({ soldAt }) => soldAt !== undefined).length),
    ...stories.idle
      .filter(({ when }) => when === "end")
      .flatMap(({ api, sockets, rssMb }) => [
        count(`${api}: sockets at the end`, sockets),
        { name: `${api}: memory at the end`, value: rssMb, unit: "MB" },
      ]),
    { ...count("violations", found.length), bar: 0, ok: found.length === 0 },
  ];
  return { rows, text: `${tableOf(rows)}\n${lines.join("\n")}\n`, passed: judged + 1 - failed, failed };
}

function connectionsOf(frames: readonly { readonly connection: number }[]): number {
  return new Set(frames.map(({ connection }) => connection)).size;
}

function count(name: string, value: number): Row {
  return { name, value, unit: "" };
}
