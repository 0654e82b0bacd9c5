/**
 * What is true of the whole store, whoever is asked: the queues of all pools, the live workers, the runs by status, what
 * was healed. One bounded read of Redis, kept for a second and shared, so that ten scrapers cost as much as one. When
 * Redis does not answer in time there is nothing to tell, which is said and not thrown.
 */
import type { ModelId, RunStatus } from "@baton/core";
import {
  type BucketUse,
  type HealKind,
  type PoolAdmission,
  type PoolLoad,
  readHealth,
  readPoolAdmission,
  readPoolFacts,
} from "@baton/store";
import type { Store } from "../open-store.ts";

export type FleetSource = Pick<Store, "connection" | "ledger" | "queues">;

export interface Fleet {
  readonly pools: ReadonlyMap<ModelId, PoolFacts>;
  /** Of provider accounts, and of models at them. */
  readonly limits: readonly BucketUse[];
  readonly runs: ReadonlyMap<RunStatus, number>;
  readonly workers: number;
  readonly healed: Readonly<Partial<Record<HealKind, number>>>;
  /** Since the reconciler's last pass; undefined when there was none. */
  readonly passAgeMs: number | undefined;
}

export interface PoolFacts {
  readonly load: PoolLoad;
  /** Runs of batches that wait for their admission to the queue. */
  readonly admission: PoolAdmission;
  /** Live workers that serve it, and the phases that they can have at work at once. */
  readonly workers: number;
  readonly places: number;
  /** Paused, or slowed down by a rate limit. */
  readonly held: boolean;
}

export interface FleetReader {
  /** Undefined when Redis does not answer. */
  readonly read: () => Promise<Fleet | undefined>;
}

const KEPT_MS = 1_000;
const ANSWER_MS_MAX = 2_000;
/** Pools that are looked at; a store with more of them is read in part. */
const POOLS_MAX = 200;
const BUCKETS_MAX = 200;
const STATUSES: readonly RunStatus[] = ["queued", "running", "waiting", "succeeded", "failed", "cancelled"];

/** `clock`: milliseconds that only rise. */
export function createFleetReader(source: FleetSource, clock: () => number): FleetReader {
  let kept: { readonly fleet: Promise<Fleet | undefined>; readonly at: number } | undefined;
  // A read that Redis has not answered is waited for by later ones, so that at most one is ever on its way.
  let reading: Promise<Fleet | undefined> | undefined;
  const start = (): Promise<Fleet | undefined> => {
    reading ??= readFleet(source)
      .catch(() => undefined)
      .finally(() => {
        reading = undefined;
      });
    return reading;
  };
  return {
    read: () => {
      const now = clock();
      if (kept === undefined || now - kept.at >= KEPT_MS) kept = { fleet: withinTime(start()), at: now };
      return kept.fleet;
    },
  };
}

async function readFleet({ connection, ledger, queues }: FleetSource): Promise<Fleet> {
  const [{ pools, workers, limits }, health, counts] = await Promise.all([
    readPoolFacts({ ledger, queues }, { max: POOLS_MAX }),
    readHealth(connection, { latest: 1, shards: ledger.shards }),
    Promise.all(STATUSES.map(async (status) => [status, await ledger.count(status)] as const)),
  ]);
  const facts = pools.map(async (facts): Promise<[ModelId, PoolFacts]> => {
    const { pool, load, serving, places, heldMs = 0 } = facts;
    const admission = await readPoolAdmission(connection, ledger.shards, pool, facts.admission);
    return [pool, { load, admission, workers: serving.length, places, held: heldMs > 0 }];
  });
  return {
    pools: new Map(await Promise.all(facts)),
    limits: limits.slice(0, BUCKETS_MAX),
    runs: new Map(counts),
    workers: workers.length,
    healed: health.healed,
    passAgeMs: health.lastPass?.agoMs,
  };
}

async function withinTime<Value>(answer: Promise<Value>): Promise<Value | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), ANSWER_MS_MAX);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
