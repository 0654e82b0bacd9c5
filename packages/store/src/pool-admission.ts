/**
 * How many runs of batches wait for their admission to a pool's queue, for meters and scalers: those whose turn is to come,
 * and those whose time has not come.
 */
import type { ModelId } from "@baton/core";
import { admissionKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import { onShards } from "./shards.ts";

export interface PoolAdmission {
  readonly admission: number;
  /** Their `run_at` has not come. */
  readonly later: number;
}

/** Batches of a pool that are looked at in a shard: what more of them have is counted as later. */
const BATCHES_MAX = 1_000;

/** `waiting`: all of them, as `readAdmission` tells. */
export async function readPoolAdmission(
  redis: RedisClient,
  shards: number,
  pool: ModelId,
  waiting: number,
): Promise<PoolAdmission> {
  if (waiting <= 0) return { admission: 0, later: 0 };
  const parts = await onShards(shards, (shard) => readyOfShard(redis, shard, pool));
  const ready = Math.min(
    waiting,
    parts.reduce((total, part) => total + part, 0),
  );
  return { admission: ready, later: waiting - ready };
}

async function readyOfShard(redis: RedisClient, shard: number, pool: ModelId): Promise<number> {
  const { admitPrefix, flowsPrefix, asleepPrefix } = admissionKeys(shard);
  const found = await Promise.all(
    [flowsPrefix, asleepPrefix].map((prefix) => redis.zrange(prefix + pool, "0", String(BATCHES_MAX - 1))),
  );
  const batches = [...new Set(found.flat())];
  const counts = await Promise.all(batches.map((batch) => redis.zcard(`${admitPrefix}${pool}:${batch}`)));
  return counts.reduce((total, count) => total + count, 0);
}
