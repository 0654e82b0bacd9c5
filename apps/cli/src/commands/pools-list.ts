/** `baton pools ls`: every pool with what waits in it, who serves it, and what bounds it; or the workers themselves. */
import { type ModelId, modelIdSchema, splitModelId } from "@baton/core";
import {
  isServing,
  type Ledger,
  type LiveWorker,
  listPools,
  listWorkers,
  liveConcurrencyOf,
  type PoolSettings,
  readAdmission,
  readPoolLoad,
  shardKeys,
  timeAt,
} from "@baton/store";
import { type CommandContext, openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { clean, duration, table } from "../terminal.ts";

export interface ListFlags {
  readonly json?: boolean;
  readonly workers?: boolean;
}

export async function list(flags: ListFlags): Promise<ExitCode> {
  await using context = await openCommand({ quiet: flags.json === true });
  const workers = await listWorkers(context.store.connection);
  return flags.workers === true ? listAll(context, workers, flags) : await listThem(context, workers, flags);
}

async function listThem(
  context: CommandContext,
  workers: readonly LiveWorker[],
  flags: ListFlags,
): Promise<ExitCode> {
  const rows = await readRows(context, workers);
  const { out, err } = context.terminal;
  if (flags.json === true) {
    for (const row of rows) out(`${JSON.stringify(row)}\n`);
    return EXIT.done;
  }
  if (rows.length === 0) {
    err("no pools yet: a pool comes with its first run\n");
    return EXIT.done;
  }
  out(
    table([
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
        [row.held, settingsText(row.settings)].filter((text) => text !== undefined).join("; "),
      ]),
    ]),
  );
  return EXIT.done;
}

/** What is left of a provider's limits; null where there is none. */
interface Headroom {
  readonly requests: number | null;
  readonly tokens: number | null;
}

async function readRows({ store, config }: CommandContext, workers: readonly LiveWorker[]) {
  const { connection: redis, ledger, queues } = store;
  const [known, admission, holds, settings, limits, now] = await Promise.all([
    listPools(redis, ledger.shards),
    readAdmission(redis, ledger.shards),
    ledger.holds(),
    ledger.poolSettings(),
    ledger.limits(),
    timeAt(redis, shardKeys(0).workers),
  ]);
  // What was set, or is served, may be of a pool that had no run yet.
  const served = workers.flatMap((worker) => worker.pools.map((pool) => modelIdSchema.parse(pool)));
  const all = new Set<ModelId>([
    ...known,
    ...admission.keys(),
    ...holds.keys(),
    ...settings.keys(),
    ...served,
  ]);
  return Promise.all(
    [...all].sort().map(async (pool) => {
      const load = await readPoolLoad({ redis, queues }, pool, now);
      const serving = workers.filter((worker) => isServing(worker, pool));
      const { provider } = splitModelId(pool);
      return {
        pool,
        backlog: load.waiting + load.prioritized + load.due + load.active,
        admission: admission.get(pool) ?? 0,
        delayed: load.delayed,
        oldest_wait_ms: load.oldestWaitMs,
        active: load.active,
        workers: serving.length,
        places: liveConcurrencyOf(pool, serving),
        ended_last_minute: serving.reduce((sum, worker) => sum + (worker.endedByPool[pool] ?? 0), 0),
        headroom: headroomOf(pool, config.providers[provider]?.account ?? provider, limits),
        held: heldText(holds.get(pool)),
        settings: settings.get(pool) ?? {},
      };
    }),
  );
}

/** The smaller of what is left to the account and to the pool itself. */
function headroomOf(pool: ModelId, account: string, limits: Awaited<ReturnType<Ledger["limits"]>>): Headroom {
  const buckets = limits.filter(
    ({ name }) => name === account || name === `${account}/${splitModelId(pool).model}`,
  );
  const least = (
    of: (bucket: (typeof buckets)[number]) => readonly (number | undefined)[],
  ): number | null => {
    const left = buckets.flatMap(of).filter((number) => number !== undefined);
    return left.length === 0 ? null : Math.min(...left);
  };
  return {
    requests: least(({ requests }) => [requests.headroom]),
    tokens: least(({ tokens, inputTokens, outputTokens }) => [
      tokens.headroom,
      inputTokens.headroom,
      outputTokens.headroom,
    ]),
  };
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
    for (const worker of sorted) terminal.out(`${JSON.stringify(worker)}\n`);
    return EXIT.done;
  }
  if (sorted.length === 0) {
    terminal.err("no live workers: start one with `baton worker`\n");
    return EXIT.done;
  }
  terminal.out(
    table([
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
    ]),
  );
  return EXIT.done;
}

/** What holds a pool, for people; undefined when nothing does. */
export function heldText(ms: number | undefined): string | undefined {
  if (ms === undefined) return undefined;
  return ms === Number.POSITIVE_INFINITY ? "paused" : `rate limited for ${duration(ms)}`;
}

/** What was set live, for people; undefined when nothing was. */
export function settingsText(settings: PoolSettings): string | undefined {
  const names = { concurrency: "concurrency", maxActive: "max active", rpm: "rpm", tpm: "tpm" } as const;
  const parts = Object.entries(names).flatMap(([name, word]) => {
    const value = settings[name as keyof typeof names]; // The keys of the literal above.
    return value === undefined ? [] : [`${word} ${value}`];
  });
  return parts.length === 0 ? undefined : parts.join(", ");
}
