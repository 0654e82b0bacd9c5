/**
 * Every pool with what waits in it, who serves it, and what bounds it: for people and programs that steer them.
 */
import { type ModelId, splitModelId } from "@baton/core";
import {
  type BucketUse,
  type PoolFacts,
  type PoolSettings,
  readPoolFacts,
  type PoolSource as StoredPools,
} from "@baton/store";

export interface PoolView {
  readonly pool: ModelId;
  /** Queue entries that could be taken now, and those at work. */
  readonly backlog: number;
  /** Runs of batches that wait for an entry. */
  readonly admission: number;
  /** Entries whose time has not come. */
  readonly delayed: number;
  readonly oldestWaitMs: number;
  readonly active: number;
  /** Live workers that serve it, and how many of its phases they can have at work at once. */
  readonly workers: number;
  /** Those among them whose claims Redis refuses. */
  readonly failing: number;
  readonly places: number;
  /** Phases that ended in the last minute. */
  readonly endedLastMinute: number;
  readonly headroom: Headroom;
  /** Absent when nothing holds it. */
  readonly held: PoolHold | undefined;
  readonly settings: PoolSettings;
}

/** What is left of a provider's limits; null where there is none. */
export interface Headroom {
  readonly requests: number | null;
  readonly tokens: number | null;
}

/** Paused by a person, or for a time because the provider said that it is asked too much. */
export type PoolHold = { readonly kind: "paused" } | { readonly kind: "rate_limited"; readonly ms: number };

export interface PoolSource extends StoredPools {
  /** The account whose limits a provider's models share; absent: its own. */
  readonly accountOf?: ((provider: string) => string) | undefined;
}

/** Of all known pools, in the order of their names. */
export async function readPools(source: PoolSource): Promise<readonly PoolView[]> {
  const { pools, limits } = await readPoolFacts(source);
  return pools.map((facts) => viewOf(source, facts, limits));
}

/** Of one pool; all zeros when nothing is known of it; undefined then, unless that is wanted. */
export async function readPool(
  source: PoolSource,
  pool: ModelId,
  { evenUnknown = false } = {},
): Promise<PoolView | undefined> {
  const { pools, limits } = await readPoolFacts(source, { only: pool });
  const [facts] = pools.filter(({ isKnown }) => isKnown || evenUnknown);
  return facts && viewOf(source, facts, limits);
}

function viewOf(
  { accountOf = (provider) => provider }: PoolSource,
  { pool, load, admission, serving, places, heldMs, settings }: PoolFacts,
  limits: readonly BucketUse[],
): PoolView {
  const { provider, model } = splitModelId(pool);
  return {
    pool,
    backlog: load.waiting + load.prioritized + load.due + load.active,
    admission,
    delayed: load.delayed,
    oldestWaitMs: load.oldestWaitMs,
    active: load.active,
    workers: serving.length,
    failing: serving.filter(({ failingByPool }) => failingByPool[pool] !== undefined).length,
    places,
    endedLastMinute: serving.reduce((sum, worker) => sum + (worker.endedByPool[pool] ?? 0), 0),
    headroom: headroomOf({ account: accountOf(provider), model }, limits),
    held: holdOf(heldMs),
    settings,
  };
}

function holdOf(ms: number | undefined): PoolHold | undefined {
  if (ms === undefined) return undefined;
  return ms === Number.POSITIVE_INFINITY ? { kind: "paused" } : { kind: "rate_limited", ms };
}

/** The smaller of what is left to the account and to the model itself. */
function headroomOf(
  { account, model }: { readonly account: string; readonly model: string },
  limits: readonly BucketUse[],
): Headroom {
  const buckets = limits.filter(({ name }) => name === account || name === `${account}/${model}`);
  const least = (of: (bucket: BucketUse) => readonly (number | undefined)[]): number | null => {
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
