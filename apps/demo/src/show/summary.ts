/** The end of the demo: a table of the runs, what the kill cost, and where the texts lie. */
import { relative } from "node:path";
import type { DemoOutcome, RunOutcome } from "./audit.ts";
import type { DemoFolder } from "./demo-folder.ts";
import { columns, counted, duration, grouped } from "./layout.ts";
import type { Progress } from "./progress.ts";
import type { StrikeReport } from "./strike.ts";

const HEAD = ["", "run", "models", "phases", "turns", "tools", "tokens in", "out", "time"];
const NUMBERS: ReadonlySet<number> = new Set([3, 4, 5, 6, 7, 8]);
const GOOD = "green";
const BAD = ["bold", "red"] as const;

export function sayTable({ runs }: DemoOutcome, progress: Progress): void {
  const [head, ...lines] = columns([HEAD, ...runs.map(rowOf)], NUMBERS);
  progress.say("");
  progress.say(head ?? "", "bold");
  for (const [index, line] of lines.entries()) {
    const { status } = runs[index]?.result ?? {};
    progress.say(line, status === "succeeded" ? undefined : BAD);
  }
}

function rowOf({ topic, result, toolUses, takeovers, workedMs }: RunOutcome): string[] {
  const names = result.models_used.map((model) => model.slice(model.indexOf("/") + 1));
  return [
    result.status === "succeeded" ? (takeovers > 0 ? "↻" : "✓") : "✗",
    topic.id,
    `${names.join(" → ")} [simulated]`,
    grouped(result.phases.length),
    grouped(result.phases.reduce((sum, phase) => sum + phase.turns, 0)),
    grouped(toolUses.length),
    grouped(result.usage.input_tokens),
    grouped(result.usage.output_tokens),
    duration(workedMs),
  ];
}

export function sayVerdict(outcome: DemoOutcome, progress: Progress): void {
  const { runs, elapsedMs } = outcome;
  const done = runs.filter(({ result }) => result.status === "succeeded").length;
  const isAll = done === runs.length;
  progress.say("");
  progress.say(
    `${mark(isAll)} ${done} of ${counted(runs.length, "run")} succeeded in ${duration(elapsedMs)}.`,
    isAll ? GOOD : BAD,
  );
  for (const { topic, result } of runs) {
    if (result.error !== undefined) progress.say(`  ${topic.id}: ${result.error.message}`, BAD);
  }
  sayStrike(outcome.strike, progress);
  sayPurchases(outcome, progress);
}

function sayStrike(strike: StrikeReport | undefined, progress: Progress): void {
  if (strike === undefined || strike.runs.size === 0) {
    progress.say("✗ No worker was killed in the middle of a phase: the moment never came.", BAD);
    return;
  }
  const { worker, runs } = strike;
  const times = [...runs.values()].filter((time) => time !== undefined);
  const isAll = times.length === runs.size;
  const killed = `${worker} was killed in the middle of ${counted(runs.size, "phase")} (↻)`;
  const line = isAll
    ? `${killed}; ${runs.size === 1 ? "it" : "all"} went on elsewhere, the last after ${duration(Math.max(...times))}.`
    : `${killed}; ${runs.size - times.length} never went on.`;
  progress.say(`${mark(isAll)} ${line}`, isAll ? GOOD : BAD);
}

function sayPurchases({ purchases, inFlightAtKill }: DemoOutcome, progress: Progress): void {
  const { sold, written, lost, boughtAgain, unknown } = purchases;
  const isGood = boughtAgain === 0 && unknown === 0;
  const journal = `By the models' own journal, ${counted(sold, "reply").replace("replys", "replies")} were bought; the ledger has ${grouped(written)}.`;
  progress.say(`${mark(isGood)} ${journal}`, isGood ? GOOD : BAD);
  progress.say(`    in flight at the kill: may be bought again: ${grouped(inFlightAtKill)}`);
  if (lost > inFlightAtKill) {
    progress.say(`    lost in other ways, and bought again: ${grouped(lost - inFlightAtKill)}`, "yellow");
  }
  progress.say(
    `    written replies bought again: ${grouped(boughtAgain)}`,
    boughtAgain === 0 ? undefined : BAD,
  );
  if (unknown > 0) progress.say(`    replies in the ledger that no model sold: ${grouped(unknown)}`, BAD);
}

/** Where to read on. */
export function sayWhere(folder: DemoFolder, progress: Progress): void {
  const path = (file: string): string => {
    const short = relative(process.cwd(), file);
    return short.startsWith("..") ? file : short;
  };
  progress.say("");
  progress.say(`Texts    ${path(folder.textsFolder)}/*.md`);
  progress.say(`Results  ${path(folder.resultsFile)}`);
  progress.say(`Runs     BATON_DATA_DIR=${path(folder.path)} npm run baton -- runs ls`);
}

function mark(isGood: boolean): string {
  return isGood ? "✓" : "✗";
}
