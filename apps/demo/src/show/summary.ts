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
  const [head, ...lines] = columns([HEAD, ...runs.map(rowOf), sumOf(runs)], NUMBERS);
  progress.say("");
  progress.say(head ?? "", "bold");
  for (const [index, line] of lines.entries()) {
    const run = runs[index];
    const isBad = run !== undefined && run.result.status !== "succeeded";
    progress.say(line, run === undefined ? "dim" : isBad ? BAD : undefined);
  }
}

function rowOf({ topic, result, toolUses, takeovers, workedMs }: RunOutcome): string[] {
  const names = result.models_used.map((model) => model.slice(model.indexOf("/") + 1));
  return [
    result.status === "succeeded" ? (takeovers > 0 ? "↻" : "✓") : "✗",
    topic.id,
    `${names.join(" → ")} [simulated]`,
    grouped(result.phases.length),
    grouped(turnsOf(result)),
    grouped(toolUses.length),
    grouped(result.usage.input_tokens),
    grouped(result.usage.output_tokens),
    duration(workedMs),
  ];
}

function sumOf(runs: readonly RunOutcome[]): string[] {
  const sum = (value: (run: RunOutcome) => number): string =>
    grouped(runs.reduce((total, run) => total + value(run), 0));
  return [
    "",
    counted(runs.length, "run"),
    "",
    sum(({ result }) => result.phases.length),
    sum(({ result }) => turnsOf(result)),
    sum(({ toolUses }) => toolUses.length),
    sum(({ result }) => result.usage.input_tokens),
    sum(({ result }) => result.usage.output_tokens),
    "",
  ];
}

function turnsOf(result: RunOutcome["result"]): number {
  return result.phases.reduce((sum, phase) => sum + phase.turns, 0);
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
    ? `${killed}; ${runs.size === 1 ? "it went on elsewhere" : "all went on elsewhere, the last"} after ${duration(Math.max(...times))}.`
    : `${killed}; ${runs.size - times.length} never went on.`;
  progress.say(`${mark(isAll)} ${line}`, isAll ? GOOD : BAD);
}

function sayPurchases({ purchases, inFlightAtKill }: DemoOutcome, progress: Progress): void {
  const { sold, written, lost, boughtAgain, unknown } = purchases;
  const isGood = boughtAgain === 0 && unknown === 0;
  const journal = `${grouped(sold)} model replies were bought, by the models' own journal; ${grouped(written)} of them are in the ledger.`;
  progress.say(`${mark(isGood)} ${journal}`, isGood ? GOOD : BAD);
  progress.say(`    in flight at the kill: ${grouped(inFlightAtKill)} (may be bought again)`);
  if (lost > inFlightAtKill) {
    progress.say(`    lost in other ways: ${grouped(lost - inFlightAtKill)} (bought and not used)`, "yellow");
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
  const place = `BATON_DATA_DIR=${path(folder.path)} BATON_CONFIG=${path(folder.configFile)}`;
  progress.say(`Runs     ${place} npm run baton -- runs ls`);
}

function mark(isGood: boolean): string {
  return isGood ? "✓" : "✗";
}
