/** A batch as people read it: its counts, what it costs, how fast it goes, and what keeps it from going on. */
import type { BatchStatus } from "@baton/producer";
import type { CommandContext } from "./command-context.ts";
import { count, counted, duration, type Terminal } from "./terminal.ts";

const BAR_CELLS = 30;
const POOLS_SHOWN_MAX = 4;
/** Rates are told over so long: a run takes seconds or minutes, and the last second says little. */
const RATE_WINDOW_MS = 30_000;

export function endedOf({ runs }: BatchStatus): number {
  return runs.succeeded + runs.failed + runs.cancelled;
}

/** `succeeded 10 · failed 2`: what is not 0. */
export function runsText({ runs }: BatchStatus, paint: Paint = plain): string {
  const parts = [
    [runs.succeeded, "succeeded", "green"],
    [runs.failed, "failed", "red"],
    [runs.cancelled, "cancelled", "yellow"],
    [runs.running, "running", "cyan"],
    [runs.queued, "queued", "dim"],
    [runs.waiting, "waiting", "yellow"],
  ] as const;
  const told = parts
    .filter(([some]) => some > 0)
    .map(([some, name, colour]) => paint(colour, `${name} ${count(some)}`));
  return told.length === 0 ? "no runs yet" : told.join(" · ");
}

export function costText({ costUsd, unpricedReplies, tokens }: BatchStatus): string {
  const unpriced =
    unpricedReplies === 0
      ? ""
      : ` and ${count(unpricedReplies)} ${unpricedReplies === 1 ? "reply" : "replies"} whose price is not known`;
  if (costUsd === 0 && unpricedReplies > 0 && tokens > 0) return "not known: no model of it has a price";
  return `${costUsd.toFixed(costUsd < 1 ? 4 : 2)} USD${unpriced}`;
}

export function budgetText(bound: number | undefined): string {
  return bound === undefined ? "" : ` of ${bound.toLocaleString("en-US", { maximumFractionDigits: 9 })}`;
}

/** Runs that ended in a second, over the last half minute. */
export class Speedometer {
  #seen: { readonly at: number; readonly ended: number }[] = [];

  /** `at` in milliseconds. */
  note(at: number, status: BatchStatus): void {
    this.#seen.push({ at, ended: endedOf(status) });
    while (this.#seen.length > 2 && (this.#seen[0]?.at ?? at) < at - RATE_WINDOW_MS) this.#seen.shift();
  }

  /** Undefined before two looks. */
  perSecond(): number | undefined {
    const [first, last] = [this.#seen[0], this.#seen.at(-1)];
    if (first === undefined || last === undefined || last.at <= first.at) return undefined;
    return (1_000 * Math.max(0, last.ended - first.ended)) / (last.at - first.at);
  }

  /** Milliseconds until the rest has ended, at this pace. */
  restMs(status: BatchStatus): number | undefined {
    const rate = this.perSecond() ?? 0;
    return rate === 0 ? undefined : (1_000 * (expectedOf(status) - endedOf(status))) / rate;
  }
}

/** How many runs there will be. */
export function expectedOf({ lines, total }: BatchStatus): number {
  return Math.max(lines ?? 0, total);
}

/** Several lines, to be drawn over again and again. */
export function progressText(
  status: BatchStatus,
  speed: Speedometer,
  terminal: Pick<Terminal, "style">,
): string {
  const paint: Paint = (colour, text) => terminal.style(colour, text);
  const [ended, expected] = [endedOf(status), expectedOf(status)];
  const share = expected === 0 ? 0 : ended / expected;
  const cells = Math.floor(share * BAR_CELLS);
  const bar = `${paint("green", "█".repeat(cells))}${paint("dim", "░".repeat(BAR_CELLS - cells))}`;
  // Rounded down: 100 % is said when nothing is left.
  const percent = (Math.floor(share * 1_000) / 10).toFixed(1);
  const pools = [...status.pools].toSorted(([, a], [, b]) => b - a);
  const hidden = pools.length - POOLS_SHOWN_MAX;
  return [
    paint("dim", `batch ${status.id}`),
    `${bar} ${percent.padStart(5)} %  ${count(ended)} of ${count(expected)} runs`,
    runsText(status, paint),
    paceText(status, speed),
    ...pools
      .slice(0, POOLS_SHOWN_MAX)
      .map(([pool, some]) => paint("dim", `${pool}: ${count(some)} queued or running`)),
    ...(hidden > 0 ? [paint("dim", `and ${counted(hidden, "more pool")}`)] : []),
  ].join("\n");
}

function paceText(status: BatchStatus, speed: Speedometer): string {
  const rate = speed.perSecond();
  const rest = speed.restMs(status);
  const { budget } = status;
  const usd = budget.usd === undefined ? "" : `${budgetText(budget.usd)} USD`;
  return [
    ...(rate === undefined || status.isOver
      ? []
      : [`${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))} runs a second`]),
    ...(rest === undefined || status.isOver ? [] : [`${duration(rest)} to go`]),
    `${count(status.tokens)}${budgetText(budget.tokens)} tokens`,
    `${costText(status)}${usd}`,
  ].join(" · ");
}

/** What keeps the batch from going on by itself, and what helps. */
export async function batchNotes(context: CommandContext, status: BatchStatus): Promise<readonly string[]> {
  const { id, runs, runAt } = status;
  const notes: string[] = [];
  if (status.isOpen)
    notes.push(
      "not all lines of its file are in: the command that submits it goes on when it is called again",
    );
  if (status.total === 0 && !status.isOpen && !status.isOver) notes.push("it has no runs yet");
  if (runAt !== undefined && runAt > Date.now())
    notes.push(`none of its runs starts before ${new Date(runAt).toISOString()}`);
  if (status.isSpent && !status.isOver)
    notes.push(`its budget is spent: raise it with \`baton batch budget ${id}\``);
  if (runs.waiting > 0)
    notes.push(
      `${counted(runs.waiting, "run")} ${runs.waiting === 1 ? "waits" : "wait"} for an outside act: \`baton runs ls --status waiting --batch ${id}\``,
    );
  if (runs.failed > 0 && status.isOver)
    notes.push(`what failed: \`baton batch errors ${id}\`; again: \`baton batch retry ${id} --failed\``);
  // A batch that has nothing left to do asks for nobody.
  const views = status.pools.size === 0 ? [] : await context.runs.pools();
  const served = new Set(views.flatMap(({ pool, workers }) => (workers > 0 ? [pool] : [])));
  const unserved = [...status.pools.keys()].filter((pool) => !served.has(pool));
  const [first] = unserved;
  if (first !== undefined) {
    const more = unserved.length > 1 ? ` and ${counted(unserved.length - 1, "more model")}` : "";
    notes.push(`no live worker serves ${first}${more}: start one with \`baton worker -m ${first}\``);
  }
  return notes;
}

type Paint = (colour: "green" | "red" | "yellow" | "cyan" | "dim", text: string) => string;
const plain: Paint = (_, text) => text;
