/** `baton pools …`: which pools there are, and pausing and resuming them. */
import { BatonError, type ModelId, matchesModelPattern } from "@baton/core";
import { listPools, listWorkers, readBacklog } from "@baton/store";
import { openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { duration, table } from "../terminal.ts";
import { parseModel } from "../typed-ids.ts";

interface JsonFlag {
  readonly json?: boolean;
}

export async function list(flags: JsonFlag): Promise<ExitCode> {
  await using context = await openCommand({ quiet: flags.json === true });
  const { connection, ledger, queues } = context.store;
  const [pools, backlog, workers, holds] = await Promise.all([
    listPools(connection),
    readBacklog(connection),
    listWorkers(connection),
    ledger.holds(),
  ]);
  // A hold may be of a pool that had no run yet.
  const all = [...new Set([...pools, ...holds.keys()])].sort();
  const rows = await Promise.all(
    all.map(async (pool) => ({
      pool,
      backlog: backlog.get(pool) ?? 0,
      active: (await queues.countsOf(pool)).active,
      workers: workers.filter((worker) =>
        worker.patterns.some((pattern) => matchesModelPattern(pattern, pool)),
      ).length,
      held: heldText(holds.get(pool)),
    })),
  );
  if (flags.json === true) {
    for (const row of rows) context.terminal.out(`${JSON.stringify(row)}\n`);
    return EXIT.done;
  }
  if (rows.length === 0) context.terminal.err("no pools yet: a pool comes with its first run\n");
  else {
    context.terminal.out(
      table([
        ["pool", "backlog", "active", "workers", ""],
        ...rows.map((row) => [
          context.labelOf(row.pool),
          String(row.backlog),
          String(row.active),
          String(row.workers),
          row.held ?? "",
        ]),
      ]),
    );
  }
  return EXIT.done;
}

export function pause(models: readonly string[], flags: JsonFlag): Promise<ExitCode> {
  return onEach(models, "paused", flags);
}

export function resume(models: readonly string[], flags: JsonFlag): Promise<ExitCode> {
  return onEach(models, "resumed", flags);
}

async function onEach(
  models: readonly string[],
  did: "paused" | "resumed",
  flags: JsonFlag,
): Promise<ExitCode> {
  const named = models.filter((model) => !model.endsWith("*")).map(parseModel);
  const patterns = models.filter((model) => model.endsWith("*"));
  await using context = await openCommand({ quiet: flags.json === true });
  const { producer, connection, ledger } = context.store;
  const known = [...(await listPools(connection)), ...(await ledger.holds()).keys()];
  const matching = known.filter((pool) => patterns.some((pattern) => matchesModelPattern(pattern, pool)));
  if (named.length + matching.length === 0) {
    throw new BatonError(
      "invalid_spec",
      `there is no pool like ${patterns.join(", ")}: \`baton pools ls\` lists them`,
    );
  }
  for (const pool of new Set<ModelId>([...named, ...matching])) {
    if (!known.includes(pool)) context.terminal.err(`note: no run was ever sent to ${pool}\n`);
    await (did === "paused" ? producer.pausePool(pool) : producer.resumePool(pool));
    context.terminal.out(flags.json === true ? `${JSON.stringify({ pool, did })}\n` : `${pool} ${did}\n`);
  }
  return EXIT.done;
}

/** What holds a pool, for people; undefined when nothing does. */
export function heldText(ms: number | undefined): string | undefined {
  if (ms === undefined) return undefined;
  return ms === Number.POSITIVE_INFINITY ? "paused" : `rate limited for ${duration(ms)}`;
}
