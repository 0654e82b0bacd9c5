/**
 * A worker: serves the pools of its models, those that its patterns match as they appear, and keeps house (beat,
 * locks, reconciler). It owns what it starts and closes it; connections and dependencies are its caller's.
 *
 * Stopping: no new jobs, then the phases at work may end until the deadline; what is left is aborted and handed
 * back to the queue, where another worker goes on from the last written item.
 */
import {
  type AdapterLookup,
  type Config,
  type IdSource,
  type ModelId,
  matchesModelPattern,
  modelIdSchema,
  type ToolHost,
} from "@baton/core";
import {
  type EventHub,
  type Ledger,
  listPools,
  PoolQueues,
  Reconciler,
  removeWorker,
  type WorkerBeat,
} from "@baton/store";
import type { Redis } from "ioredis";
import type { Logger } from "pino";
import { ClaimKeeper } from "./claim-keeper.ts";
import { EventWriter } from "./event-writer.ts";
import { Housekeeper } from "./housekeeper.ts";
import { PoolHolds } from "./pool-holds.ts";
import { LOCK_MS, PoolWorker } from "./pool-worker.ts";
import type { WorkerDeps } from "./worker-deps.ts";

export interface ModelWorkerOptions {
  readonly ledger: Ledger;
  /** The ledger's connection kind: waits while Redis is away. Shared by all pools; each adds a blocking one. */
  readonly connection: Redis;
  /** Tells of new pools. */
  readonly hub: EventHub;
  readonly adapters: AdapterLookup;
  readonly tools: ToolHost;
  /** USD of a call, or null when the price of the model is not known. */
  readonly price: WorkerDeps["price"];
  readonly config: Config;
  readonly capabilities: ReadonlySet<string>;
  /** Model ids, or prefixes that end with `*`. */
  readonly patterns: readonly string[];
  /** Phases at once in each pool, where the configuration does not say otherwise. */
  readonly concurrency: number;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly identity: Pick<WorkerBeat, "workerId" | "host" | "pid" | "version">;
}

const RECONCILE_MS = 1_000;
const HOLD_LOOK_MS_MAX = 60_000;

export class ModelWorker {
  readonly #options: ModelWorkerOptions;
  readonly #queues: PoolQueues;
  readonly #events: EventWriter;
  readonly #claims: ClaimKeeper;
  readonly #holds: PoolHolds;
  readonly #deps: WorkerDeps;
  readonly #pools = new Map<ModelId, PoolWorker>();
  /** Pools that match but cannot be served here, each said once. */
  readonly #refused = new Set<ModelId>();
  readonly #reconciler: Reconciler;
  readonly #reconciling: Housekeeper;
  readonly #stopping = new AbortController();
  #looking: Promise<void> = Promise.resolve();
  #listening: Promise<void> = Promise.resolve();
  #holdEnd: NodeJS.Timeout | undefined;

  constructor(options: ModelWorkerOptions) {
    const { ledger, connection, log } = options;
    this.#options = options;
    this.#holds = new PoolHolds(options.ids, () => this.#followHolds());
    this.#queues = new PoolQueues(connection, (error) => log.warn({ error: error.message }, "queue error"));
    this.#events = new EventWriter(ledger, (error) =>
      log.warn({ err: error }, "events could not be written"),
    );
    this.#claims = new ClaimKeeper({
      ledger,
      describe: () => this.#describe(),
      lockMs: LOCK_MS,
      onHolds: (holds) => this.#holds.learn(holds),
      onError: (error) => log.warn({ err: error }, "the beat failed"),
    });
    this.#deps = {
      ledger,
      enqueue: async (entry, enqueueOptions) => {
        try {
          await this.#queues.enqueue(entry, enqueueOptions);
        } catch (error) {
          log.warn(
            { ...entry, err: error },
            "the queue did not take the next phase; the reconciler will add it",
          );
        }
      },
      claims: this.#claims,
      events: this.#events,
      holds: this.#holds,
      adapters: options.adapters,
      tools: options.tools,
      price: options.price,
      config: options.config,
      capabilities: options.capabilities,
      ids: options.ids,
      log,
    };
    this.#reconciler = new Reconciler({
      ledger,
      queues: this.#queues,
      ids: options.ids,
      identity: { id: options.identity.workerId, host: options.identity.host },
      lockMs: LOCK_MS,
      onHealed: (healed) => log.info(healed, "healed"),
    });
    const onError = (error: unknown) => log.warn({ err: error }, "housekeeping failed");
    this.#reconciling = new Housekeeper(RECONCILE_MS, () => this.#reconciler.turn(), onError);
  }

  /** Serves the models that are named outright; throws when one of them cannot be served here. */
  async start(): Promise<void> {
    // The first beat tells which pools are held, before a job of one is taken.
    await this.#claims.start();
    this.#listening = this.#listen();
    for (const pattern of this.#options.patterns) {
      if (pattern.endsWith("*")) continue;
      const pool = modelIdSchema.parse(pattern);
      this.#options.adapters(pool);
      await this.#serve(pool);
    }
    this.#reconciling.start();
    if (this.#options.patterns.some((pattern) => pattern.endsWith("*"))) this.#looking = this.#keepLooking();
  }

  /** The pools served now. */
  get pools(): readonly ModelId[] {
    return [...this.#pools.keys()].sort();
  }

  /** Phases at work now. */
  get active(): number {
    return this.#claims.size;
  }

  /** Aborts what is at work; it goes on elsewhere from its last written item. */
  handBack(): void {
    this.#claims.handBack();
  }

  /** Stops within about `deadlineMs`; what does not end by then is handed back. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#holdEnd);
    await Promise.all([this.#looking, this.#listening, this.#reconciling.stop()]);
    const workers = [...this.#pools.values()];
    await Promise.all(workers.map((worker) => worker.stopTaking()));
    const timer = setTimeout(() => this.#claims.handBack(), deadlineMs);
    await Promise.all(workers.map((worker) => worker.close()));
    clearTimeout(timer);
    await this.#claims.stop();
    await this.#events.close();
    await this.#reconciler.release();
    await removeWorker(this.#options.ledger.redis, this.#options.identity.workerId);
    await this.#queues.close();
  }

  /** Beats at once when a run that may be held here was cancelled or is to pause, or when a pool is held. */
  async #listen(): Promise<void> {
    const { signal } = this.#stopping;
    await using subscription = await this.#options.hub.subscribeControl();
    while (!signal.aborted) {
      await subscription.wait(signal);
      if (!signal.aborted) this.#claims.hurry();
    }
  }

  /** Fetchers of held pools rest; a hold that ends by itself is looked at again when it does. */
  #followHolds(): void {
    clearTimeout(this.#holdEnd);
    // Stopping, they rest for good.
    if (this.#stopping.signal.aborted) return;
    for (const [pool, worker] of this.#pools) worker.hold(this.#holds.msOf(pool) > 0);
    const ms = this.#holds.nextEndMs;
    if (ms === undefined) return;
    this.#holdEnd = setTimeout(() => this.#followHolds(), Math.min(ms + 1, HOLD_LOOK_MS_MAX));
  }

  /** Serves the pools that the patterns match: those that are there, and each new one at the hint of it. */
  async #keepLooking(): Promise<void> {
    const { signal } = this.#stopping;
    await using subscription = await this.#options.hub.subscribePools();
    while (!signal.aborted) {
      try {
        await this.#lookForPools();
      } catch (error) {
        this.#options.log.warn({ err: error }, "the pools could not be read; looking again");
      }
      await subscription.wait(signal);
    }
  }

  async #lookForPools(): Promise<void> {
    for (const pool of await listPools(this.#options.ledger.redis)) {
      if (this.#pools.has(pool) || this.#refused.has(pool)) continue;
      if (!this.#options.patterns.some((pattern) => matchesModelPattern(pattern, pool))) continue;
      if (this.#canServe(pool)) await this.#serve(pool);
    }
  }

  #canServe(pool: ModelId): boolean {
    try {
      this.#options.adapters(pool);
      return true;
    } catch (error) {
      this.#refused.add(pool);
      this.#options.log.warn({ pool }, error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  async #serve(pool: ModelId): Promise<void> {
    if (this.#pools.has(pool)) return;
    const concurrency = this.#options.config.models[pool]?.concurrency ?? this.#options.concurrency;
    const worker = new PoolWorker({
      pool,
      connection: this.#options.connection,
      concurrency,
      deps: this.#deps,
    });
    this.#pools.set(pool, worker);
    worker.hold(this.#holds.msOf(pool) > 0);
    await worker.ready();
    this.#options.log.info({ pool, concurrency }, "serving");
  }

  #describe(): WorkerBeat {
    return {
      ...this.#options.identity,
      patterns: this.#options.patterns,
      pools: this.pools,
      concurrency: this.#options.concurrency,
      active: this.#claims.size,
    };
  }
}
