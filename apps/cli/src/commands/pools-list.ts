/** `baton pools ls`: every pool with what waits in it, who serves it, and what bounds it; or the workers themselves. */
import { type Headroom, type PoolHold, type PoolView, wireWorker, workerOfWire } from "@baton/producer";
import type { LiveWorker, PoolSettings } from "@baton/store";
import { type CommandContext, openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { showTable } from "../fit-table.ts";
import { clean, duration } from "../terminal.ts";

export interface ListFlags {
  readonly json?: boolean;
  readonly workers?: boolean;
}

export async function list(flags: ListFlags): Promise<ExitCode> {
  await using context = await openCommand({ quiet: flags.json === true });
  const { runs } = context;
  return flags.workers === true
    ? listAll(context, await runs.workers(), flags)
    : listThem(context, await runs.pools(), flags);
}

function listThem(context: CommandContext, pools: readonly PoolView[], flags: ListFlags): ExitCode {
  const rows = pools.map(rowOf);
  const { out, err } = context.terminal;
  if (flags.json === true) {
    for (const row of rows) out(`${JSON.stringify(row)}\n`);
    return EXIT.done;
  }
  if (rows.length === 0) {
    err("no pools yet: a pool comes with its first run\n");
    return EXIT.done;
  }
  showTable(
    context.terminal,
    [
      ["pool", "backlog", "admission", "oldest", "active", "workers", "places", "per min", "headroom", ""],
      ...rows.map((row) => [
        context.labelOf(row.pool),
        String(row.backlog),
        String(row.admission),
        row.oldest_wait_ms === 0 ? "-" : duration(row.oldest_wait_ms),
        String(row.active),
        String(row.workers),
        String(row.places),
        String(row.ended_last_minute),
        headroomText(row.headroom),
        [row.held, failingText(row.failing), settingsText(row.settings)]
          .filter((text) => text !== undefined)
          .join("; "),
      ]),
    ],
    { remarks: true, spare: ["places", "per min", "headroom", "admission"], cut: "pool" },
  );
  return EXIT.done;
}

/** A pool in the form that the table and `--json` share. */
function rowOf({ pool, oldestWaitMs, endedLastMinute, held, ...view }: PoolView) {
  return {
    pool,
    backlog: view.backlog,
    admission: view.admission,
    delayed: view.delayed,
    oldest_wait_ms: oldestWaitMs,
    active: view.active,
    workers: view.workers,
    failing: view.failing,
    places: view.places,
    ended_last_minute: endedLastMinute,
    headroom: view.headroom,
    held: heldText(held),
    settings: view.settings,
  };
}

function failingText(failing: number): string | undefined {
  return failing === 0 ? undefined : `Redis refuses the claims of ${failing}: see \`baton doctor\``;
}

function headroomText({ requests, tokens }: Headroom): string {
  const parts = [
    ...(requests === null ? [] : [`${Math.floor(requests)} req`]),
    ...(tokens === null ? [] : [`${Math.floor(tokens)} tok`]),
  ];
  return parts.length === 0 ? "-" : parts.join(" ");
}

function listAll({ terminal }: CommandContext, workers: readonly LiveWorker[], flags: ListFlags): ExitCode {
  const sorted = [...workers].sort((a, b) => (a.workerId < b.workerId ? -1 : 1));
  if (flags.json === true) {
    // There and back again its fields have one order, wherever it was read.
    for (const worker of sorted) terminal.out(`${JSON.stringify(workerOfWire(wireWorker(worker)))}\n`);
    return EXIT.done;
  }
  if (sorted.length === 0) {
    terminal.err("no live workers: start one with `baton worker`\n");
    return EXIT.done;
  }
  showTable(
    terminal,
    [
      ["host", "pid", "version", "active", "places", "serves", "at work"],
      ...sorted.map((worker) => [
        clean(worker.host),
        String(worker.pid),
        clean(worker.version),
        String(worker.active),
        String(worker.concurrency),
        worker.patterns.map(clean).join(" "),
        Object.entries(worker.activeByPool)
          .map(([pool, count]) => `${clean(pool)}: ${count}`)
          .join(", "),
      ]),
    ],
    { remarks: true, spare: ["version"], cut: "serves" },
  );
  return EXIT.done;
}

/** What holds a pool, for people; undefined when nothing does. */
function heldText(held: PoolHold | undefined): string | undefined {
  if (held === undefined) return undefined;
  return held.kind === "paused" ? "paused" : `rate limited for ${duration(held.ms)}`;
}

/** What was set live, for people; undefined when nothing was. */
export function settingsText(
  settings: Readonly<Partial<Record<keyof PoolSettings, number | "none">>>,
): string | undefined {
  const names = { concurrency: "concurrency", maxActive: "max active", rpm: "rpm", tpm: "tpm" } as const;
  const parts = Object.entries(names).flatMap(([name, word]) => {
    const value = settings[name as keyof typeof names]; // The keys of the literal above.
    return value === undefined ? [] : [`${word} ${value}`];
  });
  return parts.length === 0 ? undefined : parts.join(", ");
}
