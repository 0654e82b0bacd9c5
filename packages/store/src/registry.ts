/** Who is there: the pools that runs were ever sent to, and the workers that beat. */
import { type ModelId, matchesModelPattern, modelIdSchema } from "@baton/core";
import { z } from "zod";
import type { WorkerBeat } from "./beat.ts";
import { shardKeys } from "./keys.ts";
import { type RedisClient, timeAt } from "./redis-client.ts";
import { onShards } from "./shards.ts";

/** A worker that was silent for so long is taken for dead. */
export const WORKER_SILENCE_MS_MAX = 5_000;
const FORGOTTEN_AFTER_MS = 3_600_000;

const beatSchema = z.object({
  host: z.string(),
  pid: z.number(),
  version: z.string(),
  patterns: z.array(z.string()),
  pools: z.array(z.string()),
  concurrency: z.number(),
  active: z.number(),
  // A worker of an earlier version does not tell these.
  activeByPool: z.record(z.string(), z.number()).default({}),
  caps: z.record(z.string(), z.number()).default({}),
  refused: z.array(z.string()).default([]),
  endedByPool: z.record(z.string(), z.number()).default({}),
  failingByPool: z.record(z.string(), z.number()).default({}),
});

export interface LiveWorker extends WorkerBeat {
  readonly seenAt: number;
}

/** Every pool that a run was ever sent to, sorted. */
export async function listPools(redis: RedisClient, shards = 1): Promise<readonly ModelId[]> {
  const parts = await onShards(shards, (shard) => redis.smembers(shardKeys(shard).pools));
  return [...new Set(parts.flat())].map((member) => modelIdSchema.parse(member)).sort();
}

/** Workers that beat within the last seconds of Redis' own clock; long-silent ones are forgotten on the way. */
export async function listWorkers(redis: RedisClient): Promise<readonly LiveWorker[]> {
  const key = shardKeys(0).workers;
  const [now, entries] = await Promise.all([timeAt(redis, key), redis.hgetall(key)]);
  const live: LiveWorker[] = [];
  const forgotten: string[] = [];
  for (const [workerId, text] of Object.entries(entries)) {
    const space = text.indexOf(" ");
    const seenAt = Number(text.slice(0, space));
    if (now - seenAt > FORGOTTEN_AFTER_MS) forgotten.push(workerId);
    if (now - seenAt > WORKER_SILENCE_MS_MAX) continue;
    live.push({ workerId, seenAt, ...beatSchema.parse(JSON.parse(text.slice(space + 1))) });
  }
  if (forgotten.length > 0) await redis.hdel(shardKeys(0).workers, ...forgotten);
  return live;
}

/** Whether the worker takes phases of the pool, or will when the first one comes. */
export function isServing(
  worker: Pick<WorkerBeat, "patterns" | "pools" | "refused">,
  pool: ModelId,
): boolean {
  if (worker.pools.includes(pool)) return true;
  if (worker.refused.includes(pool)) return false;
  return worker.patterns.some((pattern) => matchesModelPattern(pattern, pool));
}

/**
 * How many phases of the pool the workers can have at work at once. A place of a process is counted for each of its
 * pools, because it goes to whichever has work.
 */
export function liveConcurrencyOf(
  pool: ModelId,
  workers: readonly Pick<WorkerBeat, "patterns" | "pools" | "refused" | "concurrency" | "caps">[],
): number {
  let places = 0;
  for (const worker of workers) {
    if (isServing(worker, pool)) {
      places += Math.min(worker.concurrency, worker.caps[pool] ?? worker.concurrency);
    }
  }
  return places;
}

export async function removeWorker(redis: RedisClient, workerId: string): Promise<void> {
  await redis.hdel(shardKeys(0).workers, workerId);
}

/** Runs that each pool has by the ledger: queued and running, in all shards. */
export async function readBacklog(redis: RedisClient, shards = 1): Promise<ReadonlyMap<ModelId, number>> {
  const total = new Map<ModelId, number>();
  for (const part of await onShards(shards, (shard) => backlogOf(redis, shard))) {
    for (const [pool, count] of part) total.set(pool, (total.get(pool) ?? 0) + count);
  }
  return total;
}

/** The same of one shard. */
export async function backlogOf(redis: RedisClient, shard: number): Promise<ReadonlyMap<ModelId, number>> {
  const entries = await redis.hgetall(shardKeys(shard).backlog);
  return new Map(Object.entries(entries).map(([pool, count]) => [modelIdSchema.parse(pool), Number(count)]));
}
