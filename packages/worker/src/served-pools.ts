/**
 * The pools that a process serves: their workers, the places that they share, and what holds, caps and bounds them. What
 * is set live and what holds a pool is followed at each beat and at once when it changes.
 */
import type { Config, ModelId } from "@baton/core";
import type { PoolQueues, RedisClient, WorkerBeat } from "@baton/store";
import type { LiveSettings } from "./live-settings.ts";
import { Places } from "./places.ts";
import type { PoolHolds } from "./pool-holds.ts";
import { PoolWorker } from "./pool-worker.ts";
import type { WorkerDeps } from "./worker-deps.ts";

export interface ServedPoolsOptions {
  /** Places of the process. */
  readonly concurrency: number;
  readonly shards: readonly number[];
  readonly connection: RedisClient;
  readonly queues: Pick<PoolQueues, "boundActive">;
  readonly models: Config["models"];
  readonly holds: PoolHolds;
  readonly settings: Pick<LiveSettings, "of">;
  readonly deps: WorkerDeps;
}

interface Served {
  readonly worker: PoolWorker;
  cap?: number | undefined;
  /** What BullMQ was told last; absent when it is not known whether it heard of it. */
  bound?: { readonly most: number | undefined } | undefined;
}

export class ServedPools {
  readonly #options: ServedPoolsOptions;
  readonly #places: Places;
  readonly #served = new Map<ModelId, Served>();
  #isStopping = false;

  constructor(options: ServedPoolsOptions) {
    this.#options = options;
    this.#places = new Places(options.concurrency);
  }

  has(pool: ModelId): boolean {
    return this.#served.has(pool);
  }

  /** Sorted. */
  get pools(): readonly ModelId[] {
    return [...this.#served.keys()].sort();
  }

  async serve(pool: ModelId): Promise<void> {
    if (this.#served.has(pool) || this.#isStopping) return;
    const { connection, shards, deps } = this.#options;
    const worker = new PoolWorker({ pool, connection, shards, deps, places: this.#places });
    const served: Served = { worker };
    this.#served.set(pool, served);
    this.#follow(pool, served);
    try {
      await worker.start();
    } catch (error) {
      // It is not served, so that whoever looks for pools tries again.
      this.#served.delete(pool);
      await worker.close().catch(() => undefined);
      throw error;
    }
    deps.log.info({ pool, places: this.#placesOf(pool) ?? this.#places.size }, "serving");
  }

  /** Follows what holds, caps and bounds each pool. */
  follow(): void {
    // Stopping, they rest for good.
    if (this.#isStopping) return;
    for (const [pool, served] of this.#served) this.#follow(pool, served);
  }

  stopTaking(): void {
    this.#isStopping = true;
    for (const { worker } of this.#served.values()) worker.stopTaking();
  }

  /** Waits for what is at work and closes. */
  async close(): Promise<void> {
    await Promise.all([...this.#served.values()].map(({ worker }) => worker.close()));
  }

  describe(): Pick<WorkerBeat, "pools" | "concurrency" | "active" | "activeByPool" | "caps" | "endedByPool"> {
    const ended = [...this.#served].map(([pool, { worker }]) => [pool, worker.endedLastMinute] as const);
    return {
      pools: this.pools,
      concurrency: this.#places.size,
      active: this.#places.taken,
      activeByPool: this.#places.takenByPool,
      caps: this.#places.caps,
      endedByPool: Object.fromEntries(ended.filter(([, count]) => count > 0)),
    };
  }

  #follow(pool: ModelId, served: Served): void {
    const { holds, settings, deps } = this.#options;
    const cap = this.#placesOf(pool);
    if (cap !== served.cap) this.#places.cap(pool, cap);
    served.cap = cap;
    const { maxActive } = settings.of(pool);
    if (served.bound === undefined || served.bound.most !== maxActive) this.#bound(pool, served, maxActive);
    served.worker.hold(holds.msOf(pool) > 0 || deps.limits.isResting(pool) || deps.refusals.isResting(pool));
  }

  #placesOf(pool: ModelId): number | undefined {
    return this.#options.settings.of(pool).concurrency ?? this.#options.models[pool]?.concurrency;
  }

  /**
   * Every worker of the pool tells BullMQ, so that it is told as long as there is one. One that was late with an older
   * setting hears of the newer one within a beat, and is the last to tell it.
   */
  #bound(pool: ModelId, served: Served, most: number | undefined): void {
    served.bound = { most };
    this.#options.queues.boundActive(pool, most).then(
      () => served.worker.look(most !== undefined),
      (error: unknown) => {
        // The next beat tries again.
        served.bound = undefined;
        this.#options.deps.log.warn({ pool, err: error }, "the pool could not be bounded");
      },
    );
  }
}
