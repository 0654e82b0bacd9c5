/**
 * Breaks what the schedule says, heals it after the planned time, and writes down what was hit: which runs it held
 * and what of it the history has to know.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type ModelId, type RunId, runIdSchema } from "@baton/core";
import type { RedisClient } from "@baton/store";
import { type PoolQueues, queueNameOf, runKeys, shardKeys } from "@baton/store";
import { until } from "../support/until.ts";
import { writeLine } from "./files.ts";
import type { Fault } from "./history.ts";
import { MODELS } from "./jobs.ts";
import type { Observer } from "./observer.ts";
import type { ProducerSlot } from "./producer-slot.ts";
import { numberOf } from "./random.ts";
import type { RedisProcess } from "./redis-process.ts";
import { type FaultKind, isOf, type PlannedFault, REDIS_FAULTS, WORKER_FAULTS } from "./schedule.ts";
import type { WorkerSlot } from "./worker-slot.ts";

export interface World {
  readonly seed: number;
  readonly folder: string;
  readonly workers: readonly WorkerSlot[];
  readonly redis: RedisProcess;
  /** Past the ways that are cut. */
  readonly client: RedisClient;
  readonly queues: PoolQueues;
  readonly observer: Observer;
  readonly producer: ProducerSlot;
  /** Ends all waiting, so that nothing is started again behind the end of the run. */
  readonly signal: AbortSignal;
}

/** A fault as it is written down; how many calls were in flight is told later, from what the providers wrote. */
export type FaultLine = Omit<Fault, "inFlight"> & {
  /** The workers that were hit, by number. */
  readonly slots: readonly number[];
  /** Where no worker was hit: the calls that may be lost by it. */
  readonly inFlightMax?: number;
};

export type Wound = Omit<FaultLine, "kind">;

/** What the faults of workers and of Redis need of the world. */
export type Breakable = Pick<World, "seed" | "workers" | "redis" | "client" | "observer" | "signal">;

export async function inject(planned: PlannedFault, world: World): Promise<void> {
  const { kind } = planned;
  const wound = await strike(kind, planned, world);
  const line: FaultLine = { kind, ...wound };
  writeLine(world.folder, "faults", line);
}

function strike(kind: FaultKind, planned: PlannedFault, world: World): Promise<Wound> {
  if (isOf(WORKER_FAULTS, kind)) return strikeWorker(kind, planned, world);
  if (isOf(REDIS_FAULTS, kind)) return strikeRedis(kind, planned, world);
  switch (kind) {
    case "scripts_flushed":
      return flushScripts(world);
    case "queue_obliterated":
      return obliterate(planned, world);
    case "job_deleted":
    case "job_unlisted":
      return loseJob(kind, planned, world);
    case "producer_killed":
      return strikeProducer(world);
  }
}

export async function strikeWorker(
  kind: (typeof WORKER_FAULTS)[number],
  { slot, durationMs }: Pick<PlannedFault, "slot" | "durationMs">,
  world: Breakable,
): Promise<Wound> {
  const worker = world.workers[slot];
  if (worker === undefined) throw new Error(`there is no worker ${slot}`);
  const held = await heldBy(worker, world);
  const at = Date.now();
  switch (kind) {
    case "worker_killed":
      await worker.kill();
      await delay(durationMs, undefined, { signal: world.signal });
      await worker.start();
      break;
    case "worker_frozen":
      worker.signal("SIGSTOP");
      await delay(durationMs, undefined, { signal: world.signal });
      worker.signal("SIGCONT");
      break;
    case "loop_stalled":
      worker.stall(durationMs);
      await delay(durationMs, undefined, { signal: world.signal });
      break;
    case "network_reset":
    case "network_blackhole":
      worker.proxy.cut(kind === "network_reset" ? "reset" : "blackhole");
      await delay(durationMs, undefined, { signal: world.signal });
      // Every second time what was swallowed comes late, the other times never.
      worker.proxy.heal({ delivers: durationMs % 2 === 1 });
      break;
  }
  return { at, endedAt: Date.now(), target: worker.name, held, slots: [slot] };
}

const TAIL_BYTES = [1_024, 65_536] as const;

export async function strikeRedis(
  kind: (typeof REDIS_FAULTS)[number],
  { atMs, durationMs }: Pick<PlannedFault, "atMs" | "durationMs">,
  world: Breakable,
): Promise<Wound> {
  const { redis, client, workers, seed, observer } = world;
  const held = marksAtWork(observer);
  const at = Date.now();
  await redis.kill();
  const killedAt = Date.now();
  try {
    if (kind === "aof_truncated") await redis.loseTail(numberOf(...TAIL_BYTES, seed, "tail", atMs));
    await delay(durationMs, undefined, { signal: world.signal });
  } finally {
    if (!world.signal.aborted) await redis.restart();
  }
  const wound = { at, endedAt: Date.now(), target: "redis", held, slots: workers.map((_, slot) => slot) };
  if (kind !== "aof_truncated") return wound;
  return { ...wound, losesWrites: true, survivedUntil: await lastWriteBefore(killedAt, client) };
}

export function marksAtWork(observer: Pick<Observer, "runs">): readonly string[] {
  return [...observer.runs.values()].filter(({ status }) => status === "running").map(({ mark }) => mark);
}

/** The newest entry of any stream that is not from after the fault, in milliseconds since 1970. */
async function lastWriteBefore(at: number, client: RedisClient): Promise<number> {
  let last = 0;
  let cursor = "0";
  do {
    const [next, keys] = await client.scan(cursor, "COUNT", 1_000, "TYPE", "stream");
    cursor = next;
    for (const key of keys) {
      const [entry] = await client.xrevrange(key, String(at), "-", "COUNT", 1);
      if (entry !== undefined) last = Math.max(last, Number(entry[0].split("-")[0]));
    }
  } while (cursor !== "0");
  return last;
}

async function flushScripts({ client }: World): Promise<Wound> {
  const at = Date.now();
  await client.script("FLUSH");
  return { at, target: "redis", held: [], slots: [] };
}

async function obliterate({ slot }: PlannedFault, world: World): Promise<Wound> {
  const { queues } = world;
  const pool = await until(() => busyPool(slot, world), { what: "a pool with jobs" });
  const queue = queues.queueOf(pool);
  const held = await runsOf(pool, world);
  const at = Date.now();
  await queue.obliterate({ force: true });
  return { at, target: pool, held, slots: [], inFlightMax: held.length };
}

async function busyPool(slot: number, { queues }: World): Promise<ModelId | undefined> {
  for (const [place] of MODELS.entries()) {
    const pool = MODELS[(slot + place) % MODELS.length];
    if (pool === undefined) continue;
    const { waiting, active, delayed } = await queues.countsOf(pool);
    if (waiting + active + delayed > 0) return pool;
  }
  return undefined;
}

async function runsOf(pool: ModelId, { observer, client }: World): Promise<readonly string[]> {
  const live = [...observer.runs.values()].filter(
    ({ status }) => status === "running" || status === "queued",
  );
  const pools = await Promise.all(live.map(({ id }) => client.hget(runKeys(id).run, "pool")));
  return live.filter((_, place) => pools[place] === pool).map(({ mark }) => mark);
}

/** BullMQ's own keys of one job are hit, as an operator's mistake or an eviction would. */
async function loseJob(
  kind: "job_deleted" | "job_unlisted",
  { slot }: PlannedFault,
  world: World,
): Promise<Wound> {
  const { client, observer } = world;
  const { jobId, queue, list } = await until(() => someJob(slot, client), { what: "a job" });
  const at = Date.now();
  if (kind === "job_deleted") await client.del(`${queue}:${jobId}`);
  else if (list === "active" || list === "wait") await client.lrem(`${queue}:${list}`, 0, jobId);
  else await client.zrem(`${queue}:${list}`, jobId);
  const runId = runIdSchema.parse(jobId.slice(0, jobId.lastIndexOf("-")));
  const mark = observer.runs.get(runId)?.mark;
  const held = mark === undefined ? [] : [mark];
  return { at, target: `${list} ${jobId}`, held, slots: [], inFlightMax: 1 };
}

async function someJob(slot: number, client: RedisClient) {
  for (const [place] of MODELS.entries()) {
    const pool = MODELS[(slot + place) % MODELS.length];
    if (pool === undefined) continue;
    const queue = `${shardKeys(0).bullmqPrefix}:${queueNameOf(pool)}`;
    for (const list of ["active", "wait", "delayed"] as const) {
      const isSet = list === "delayed";
      const ids = isSet
        ? await client.zrange(`${queue}:${list}`, "0", "0")
        : await client.lrange(`${queue}:${list}`, 0, 0);
      const jobId = ids.find((id) => id.startsWith("r_"));
      if (jobId !== undefined) return { jobId, queue, list };
    }
  }
  return undefined;
}

async function strikeProducer({ producer }: World): Promise<Wound> {
  const at = Date.now();
  await producer.strike();
  return { at, endedAt: Date.now(), target: "producer", held: [], slots: [] };
}

const ASK_MS_MAX = 250;

/** Marks of the runs whose last claim is this worker's; as they were last seen when Redis cannot be asked. */
async function heldBy(worker: WorkerSlot, { client, observer }: Breakable): Promise<readonly string[]> {
  const claims = [...worker.claims()];
  const known = new Map<RunId, number>();
  for (const { id, status, epoch } of observer.runs.values()) if (status === "running") known.set(id, epoch);
  const asked = Promise.all(
    claims.map(async ([id]) => {
      const [status, epoch] = await client.hmget(runKeys(id).run, "status", "epoch");
      if (status === "running") known.set(id, Number(epoch));
      else known.delete(id);
    }),
  );
  await Promise.race([asked, delay(ASK_MS_MAX)]);
  return claims.flatMap(([id, epoch]) => {
    const mark = observer.runs.get(id)?.mark;
    return known.get(id) === epoch && mark !== undefined ? [mark] : [];
  });
}
