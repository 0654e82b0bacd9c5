/**
 * The shards of a store. Each has all of Baton's keys under a hash tag of its own, so that on a cluster the shards lie
 * on several servers, and each script still on one. Their number is fixed when the store is made, because a run's id,
 * and the place of an idempotency key, tell the shard (R8).
 */
import { BatonError, type RunId, runIdSchema, SHARDS_MAX, shardOf } from "@baton/core";
import { shardKeys, shardsKey } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";

/**
 * How many shards the store has. The first who connects says so: `wanted`, or 1 without a wish. Everybody after is told,
 * and refused (`redis_unfit`) when another number is wanted. A store with data and without a number has 1.
 */
export async function agreeOnShards(redis: RedisClient, wanted: number | undefined): Promise<number> {
  if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 1 && wanted <= SHARDS_MAX)) {
    throw new BatonError("invalid_config", `a store has 1 to ${SHARDS_MAX} shards, and not ${wanted}`);
  }
  const key = shardsKey();
  let said = await redis.get(key);
  if (said === null) {
    const { status, pools, workers } = shardKeys(0);
    const hasData = (await redis.exists(status, pools, workers)) > 0;
    await redis.set(key, String(hasData ? 1 : (wanted ?? 1)), "NX").catch(passFull);
    said = await redis.get(key);
  }
  // When it could not be written, the memory is full, of a store from before.
  const shards = parseShards(said);
  if (wanted !== undefined && wanted !== shards) {
    throw new BatonError(
      "redis_unfit",
      `this store was made with ${shards} ${shards === 1 ? "shard" : "shards"}, and BATON_SHARDS wants ${wanted}: the number cannot change. Unset BATON_SHARDS or set it to ${shards}, or use an empty Redis`,
    );
  }
  return shards;
}

/** How many shards the store has, without making one. */
export async function readShards(redis: RedisClient): Promise<number> {
  return parseShards(await redis.get(shardsKey()));
}

/** No number: there is no store yet, or one from before there were shards; either has one. */
function parseShards(said: string | null): number {
  const shards = said === null ? 1 : Number(said);
  if (Number.isInteger(shards) && shards >= 1 && shards <= SHARDS_MAX) return shards;
  throw new BatonError("store_corrupt", `the store's number of shards is ${said} (key ${shardsKey()})`);
}

function passFull(error: unknown): void {
  if (!(error instanceof Error) || !error.message.startsWith("OOM")) throw error;
}

/** The run that a member of an index of this shard names; undefined for what is no run of the shard. */
export function runIdIn(shard: number, member: string): RunId | undefined {
  const id = runIdSchema.safeParse(member).data;
  return id !== undefined && shardOf(id) === shard ? id : undefined;
}

/** Asks each shard, all at once; the replies are in the order of the shards. */
export function onShards<Value>(
  shards: number,
  ask: (shard: number) => Promise<Value>,
): Promise<readonly Value[]> {
  if (shards === 1) return ask(0).then((value) => [value]);
  return Promise.all(Array.from({ length: shards }, (_, shard) => ask(shard)));
}
