/**
 * Holds of pools. A held pool's workers take no phases and call no model: paused by a person until it is released, or
 * for a time because a provider said that it is asked too much. Workers hear of it by their beat, at once.
 */
import { BatonError, type ModelId, modelIdSchema } from "@baton/core";
import { shardKeys } from "./keys.ts";
import { type RedisClient, timeAt } from "./redis-client.ts";
import type { RunScript } from "./scripts.ts";

/** A time never shortens a hold that is there, and never ends a pause. */
export type Hold = { readonly kind: "paused" } | { readonly kind: "for"; readonly ms: number };

export async function holdPool(run: RunScript, pool: ModelId, how: Hold): Promise<void> {
  const { holds, control } = shardKeys(0);
  await run("hold", [holds, control], [pool, how.kind === "paused" ? "paused" : String(Math.ceil(how.ms))]);
}

export async function releasePool(run: RunScript, pool: ModelId): Promise<void> {
  const { holds, control } = shardKeys(0);
  await run("hold", [holds, control], [pool, "released"]);
}

/** Milliseconds for which each held pool is held; a paused one for ever. */
export async function readHolds(redis: RedisClient): Promise<ReadonlyMap<ModelId, number>> {
  const key = shardKeys(0).holds;
  const [now, entries] = await Promise.all([timeAt(redis, key), redis.hgetall(key)]);
  const held = Object.entries(entries).flatMap(([pool, until]) =>
    until === "paused" ? [pool, until] : [pool, String(Number(until) - now)],
  );
  return new Map([...readHoldPairs(held)].filter(([, ms]) => ms > 0));
}

/** Reads pool and `paused` or milliseconds in turn, as the beat replies them. */
export function readHoldPairs(pairs: readonly unknown[]): ReadonlyMap<ModelId, number> {
  const holds = new Map<ModelId, number>();
  for (let place = 0; place + 1 < pairs.length; place += 2) {
    const ms = pairs[place + 1] === "paused" ? Number.POSITIVE_INFINITY : Number(pairs[place + 1]);
    if (Number.isNaN(ms)) throw new BatonError("store_corrupt", `a hold is ${String(pairs[place + 1])}`);
    holds.set(modelIdSchema.parse(pairs[place]), ms);
  }
  return holds;
}
