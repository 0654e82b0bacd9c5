/**
 * Every pool with what waits in it, who serves it, and what bounds it: for people and programs that steer them. A pool
 * is known once a run was sent to it, a live worker serves it, or something was set for it.
 */
import { type ModelId, modelIdSchema, splitModelId } from "@baton/core";
import {
  type BucketUse,
  isServing,
  type Ledger,
  type LiveWorker,
  type LoadSource,
  listPools,
  listWorkers,
  liveConcurrencyOf,
  type PoolSettings,
  readAdmission,
  readPoolLoad,
  shardKeys,
  timeAt,
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

export interface PoolSource {
  readonly ledger: Ledger;
  readonly queues: LoadSource["queues"];
  /** The account whose limits a provider's models share; absent: its own. */
  readonly accountOf?: ((provider: string) => string) | undefined;
}

/** Of all known pools, in the order of their names. */
export async function readPools(source: PoolSource): Promise<readonly PoolView[]> {
  const { ledger } = source;
  const [facts, known] = await Promise.all([readFacts(ledger), listPools(ledger.redis, ledger.shards)]);
  const all = new Set<ModelId>([...known, ...poolsIn(facts)]);
  return Promise.all([...all].sort().map((pool) => viewOf(source, pool, facts)));
}

/** Of one pool; all zeros when nothing is known of it, which `isKnown` tells. */
export async function readPool(
  source: PoolSource,
  pool: ModelId,
): Promise<{ readonly view: PoolView; readonly isKnown: boolean }> {
  const { ledger } = source;
  const [facts, known] = await Promise.all([readFacts(ledger), listPools(ledger.redis, ledger.shards)]);
  const isServed = facts.workers.some((worker) => isServing(worker, pool));
  const isKnown = isServed || known.includes(pool) || poolsIn(facts).includes(pool);
  return { view: await viewOf(source, pool, facts), isKnown };
}

type Facts = Awaited<ReturnType<typeof readFacts>>;

async function readFacts(ledger: Ledger) {
  const { redis, shards } = ledger;
  const [workers, admission, holds, settings, limits, now] = await Promise.all([
    listWorkers(redis),
    readAdmission(redis, shards),
    ledger.holds(),
    ledger.poolSettings(),
    ledger.limits(),
    timeAt(redis, shardKeys(0).workers),
  ]);
  return { workers, admission, holds, settings, limits, now };
}

/** What was set, or is served, may be of a pool that had no run yet. */
function poolsIn({ workers, admission, holds, settings }: Facts): readonly ModelId[] {
  const served = workers.flatMap((worker) => worker.pools.map((pool) => modelIdSchema.parse(pool)));
  return [...admission.keys(), ...holds.keys(), ...settings.keys(), ...served];
}

async function viewOf(source: PoolSource, pool: ModelId, facts: Facts): Promise<PoolView> {
  const { ledger, queues, accountOf = (provider) => provider } = source;
  const load = await readPoolLoad({ redis: ledger.redis, queues }, pool, facts.now);
  const serving: readonly LiveWorker[] = facts.workers.filter((worker) => isServing(worker, pool));
  const { provider, model } = splitModelId(pool);
  return {
    pool,
    backlog: load.waiting + load.prioritized + load.due + load.active,
    admission: facts.admission.get(pool) ?? 0,
    delayed: load.delayed,
    oldestWaitMs: load.oldestWaitMs,
    active: load.active,
    workers: serving.length,
    places: liveConcurrencyOf(pool, serving),
    endedLastMinute: serving.reduce((sum, worker) => sum + (worker.endedByPool[pool] ?? 0), 0),
    headroom: headroomOf({ account: accountOf(provider), model }, facts.limits),
    held: holdOf(facts.holds.get(pool)),
    settings: facts.settings.get(pool) ?? {},
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
