/**
 * What the reconciler's leader costs while all is well, at a hundred waiting runs and at many: commands, processor time
 * of Redis and of this process, and milliseconds a pass. A pass comes once a second, so ten milliseconds of both
 * together are one percent of a core. Forty minutes of passes are made one right behind the other, with the time that
 * they are told moved on, so that slow rounds of both kinds and a good part of the walks are in the mean.
 */
import { randomBytes } from "node:crypto";
import { jobIdOf, modelIdSchema, newRunId, parseRunSpec, randomPool } from "@baton/core";
import { createLedger, openLedgerConnection, PoolQueues, Reconciler, readBacklog } from "@baton/store";
import { Redis } from "ioredis";
import { freshRedis } from "../support/redis.ts";
import { type Row, say } from "./rows.ts";

const POOLS = ["bench/a", "bench/b", "bench/c", "bench/d"].map((pool) => modelIdSchema.parse(pool));
const PASSES = 2_400;
const AT_ONCE = 1_000;
/** Percent of one core, for Redis and the leader together. */
const BAR = 1;

const ids = { now: () => Date.now(), random: randomPool(randomBytes) };

export async function reconcilerCost(runs: number): Promise<readonly Row[]> {
  const [few, many] = [await costAt(100), await costAt(runs)];
  const name = `${runs.toLocaleString("en")} waiting`;
  const load = (cost: Cost): number => (cost.redisMs + cost.ownMs) / 10;
  return [
    { name: "leader, 100 waiting: commands a pass", value: few.commands, unit: "" },
    { name: "leader, 100 waiting: Redis and process", value: load(few), unit: "%" },
    { name: `leader, ${name}: commands a pass`, value: many.commands, unit: "" },
    { name: `leader, ${name}: Redis`, value: many.redisMs, unit: "ms/s" },
    { name: `leader, ${name}: process`, value: many.ownMs, unit: "ms/s" },
    { name: `leader, ${name}: longest pass`, value: many.longestMs, unit: "ms" },
    { name: `leader, ${name}: of a core`, value: load(many), unit: "%", bar: BAR, ok: load(many) < BAR },
  ];
}

interface Cost {
  readonly commands: number;
  readonly redisMs: number;
  readonly ownMs: number;
  readonly longestMs: number;
}

async function costAt(runs: number): Promise<Cost> {
  await using redis = await freshRedis();
  const onError = (error: Error): never => {
    throw error;
  };
  const connection = openLedgerConnection({ url: redis.url, onError });
  const probe = new Redis(redis.url);
  const ledger = createLedger(connection, { retentionMs: 0 });
  const queues = new PoolQueues(connection, onError);
  try {
    await fill(ledger, queues, runs);
    const identity = { id: "bench", host: "bench" };
    const reconciler = new Reconciler({ ledger, queues, ids, identity, lockMs: 4_000 });
    const start = ids.now() + 60_000;
    // The first passes open the queues and warm up.
    for (let pass = 0; pass < 5; pass += 1) await reconciler.pass(start + pass);
    const before = await used(probe);
    const own = process.cpuUsage();
    let longestMs = 0;
    let healed = 0;
    for (let pass = 1; pass <= PASSES; pass += 1) {
      const began = performance.now();
      healed += (await reconciler.pass(start + pass * 1_000)).healed.length;
      longestMs = Math.max(longestMs, performance.now() - began);
    }
    const { user, system } = process.cpuUsage(own);
    const after = await used(probe);
    if (healed > 0) throw new Error(`${healed} healthy runs were healed`);
    const each = (from: number, to: number): number => (to - from) / PASSES;
    return {
      commands: each(before.commands, after.commands),
      redisMs: each(before.cpuMs, after.cpuMs),
      ownMs: (user + system) / 1_000 / PASSES,
      longestMs,
    };
  } finally {
    await queues.close();
    connection.disconnect();
    probe.disconnect();
  }
}

/** Waiting runs with their jobs, as a producer makes them. */
async function fill(
  ledger: ReturnType<typeof createLedger>,
  queues: PoolQueues,
  runs: number,
): Promise<void> {
  const spec = parseRunSpec({ input: "go", model: [...POOLS] });
  for (let made = 0; made < runs; made += AT_ONCE) {
    const pool = POOLS[(made / AT_ONCE) % POOLS.length] ?? POOLS[0];
    if (pool === undefined) return;
    const some = Array.from({ length: Math.min(AT_ONCE, runs - made) }, () => newRunId(0, ids));
    await Promise.all(
      some.map((id) => ledger.create({ id, spec, items: [], pool, needs: [], delayMs: 0, timeoutMs: 0 })),
    );
    const options = { attempts: 1, removeOnComplete: true, removeOnFail: true };
    await queues.queueOf(pool).addBulk(
      some.map((id) => ({
        name: "phase",
        data: { runId: id, ticket: 1 },
        opts: { ...options, jobId: jobIdOf(id, 1) },
      })),
    );
  }
  const backlog = await readBacklog(ledger.redis);
  say(`${[...backlog.values()].reduce((sum, count) => sum + count, 0)} runs are waiting`);
}

async function used(probe: Redis): Promise<{ readonly cpuMs: number; readonly commands: number }> {
  const [cpu, stats] = await Promise.all([probe.info("cpu"), probe.info("stats")]);
  const number = (text: string, name: string): number =>
    Number(new RegExp(`${name}:([\\d.]+)`).exec(text)?.[1]);
  const seconds = number(cpu, "used_cpu_user_main_thread") + number(cpu, "used_cpu_sys_main_thread");
  return { cpuMs: seconds * 1_000, commands: number(stats, "total_commands_processed") };
}
