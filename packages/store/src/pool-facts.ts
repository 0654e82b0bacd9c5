/**
 * What is true of the pools, whoever asks: which there are, what waits in each, who serves it, what holds it. A pool is
 * known once a run was sent to it, a live worker serves it, or something was set for it.
 */
import { type ModelId, modelIdSchema } from "@baton/core";
import type { BucketUse } from "./account-limits.ts";
import { readAdmission } from "./feeder.ts";
import { shardKeys } from "./keys.ts";
import type { Ledger } from "./ledger.ts";
import { type LoadSource, type PoolLoad, readPoolLoad } from "./pool-load.ts";
import type { PoolSettings } from "./pool-settings.ts";
import { timeAt } from "./redis-client.ts";
import { isServing, type LiveWorker, listPools, listWorkers, liveConcurrencyOf } from "./registry.ts";

export interface PoolFacts {
  readonly pool: ModelId;
  /** False when it was asked for by name, and nothing is known of it. */
  readonly isKnown: boolean;
  readonly load: PoolLoad;
  /** Runs of batches that wait for an entry. */
  readonly admission: number;
  /** Live workers that serve it, and how many of its phases they can have at work at once. */
  readonly serving: readonly LiveWorker[];
  readonly places: number;
  /** For how long it is held, in milliseconds; a paused one for ever; undefined when nothing holds it. */
  readonly heldMs: number | undefined;
  readonly settings: PoolSettings;
}

export interface PoolsFacts {
  /** In the order of their names. */
  readonly pools: readonly PoolFacts[];
  readonly workers: readonly LiveWorker[];
  /** Of provider accounts, and of models at them. */
  readonly limits: readonly BucketUse[];
}

export interface PoolSource {
  readonly ledger: Ledger;
  readonly queues: LoadSource["queues"];
}

export interface WhichPools {
  /** This one alone, known or not. */
  readonly only?: ModelId | undefined;
  /** At most so many, those that are served first. */
  readonly max?: number | undefined;
}

export async function readPoolFacts(
  { ledger, queues }: PoolSource,
  { only, max }: WhichPools = {},
): Promise<PoolsFacts> {
  const { redis, shards } = ledger;
  const [listed, workers, admission, holds, settings, limits, now] = await Promise.all([
    listPools(redis, shards),
    listWorkers(redis),
    readAdmission(redis, shards),
    ledger.holds(),
    ledger.poolSettings(),
    ledger.limits(),
    timeAt(redis, shardKeys(0).workers),
  ]);
  const served = workers.flatMap((worker) => worker.pools.map((pool) => modelIdSchema.parse(pool)));
  const known = new Set([...served, ...listed, ...admission.keys(), ...holds.keys(), ...settings.keys()]);
  const asked = only === undefined ? [...known].slice(0, max).sort() : [only];
  const pools = asked.map(async (pool): Promise<PoolFacts> => {
    const serving = workers.filter((worker) => isServing(worker, pool));
    return {
      pool,
      isKnown: known.has(pool) || serving.length > 0,
      load: await readPoolLoad({ redis, queues }, pool, now),
      admission: admission.get(pool) ?? 0,
      serving,
      places: liveConcurrencyOf(pool, serving),
      heldMs: holds.get(pool),
      settings: settings.get(pool) ?? {},
    };
  });
  return { pools: await Promise.all(pools), workers, limits };
}
