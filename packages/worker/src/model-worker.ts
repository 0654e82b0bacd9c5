/**
 * A worker: serves the pools of its models, those that its patterns match as they appear, and keeps house (beat,
 * locks, reconciler). It owns what it starts and closes it; connections and dependencies are its caller's.
 *
 * Stopping: no new jobs, then the phases at work may end until the deadline; what is left is aborted and handed
 * back to the queue, where another worker goes on from the last written item.
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  type AdapterLookup,
  type Config,
  type IdSource,
  type ModelId,
  matchesModelPattern,
  modelIdSchema,
  type ToolHost,
} from "@baton/core";
import type { RedisClient } from "@baton/store";
import {
  type EventHub,
  type Ledger,
  listPools,
  PoolQueues,
  removeWorker,
  type WorkerBeat,
} from "@baton/store";
import type { Logger } from "pino";
import { AccountLimits } from "./account-limits.ts";
import { Caretaker } from "./caretaker.ts";
import { ClaimKeeper } from "./claim-keeper.ts";
import { ClaimRefusals } from "./claim-refusals.ts";
import { EventWriter } from "./event-writer.ts";
import { LiveSettings } from "./live-settings.ts";
import { PoolHolds } from "./pool-holds.ts";
import { LOCK_MS } from "./pool-worker.ts";
import { ServedPools } from "./served-pools.ts";
import { NO_SIGNALS, type Signals } from "./signals.ts";
import type { WorkerDeps } from "./worker-deps.ts";

export interface ModelWorkerOptions {
  readonly ledger: Ledger;
  /** The ledger's connection kind: waits while Redis is away. Shared by all pools; each adds a blocking one. */
  readonly connection: RedisClient;
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
  /** Phases at work at once, over all pools and shards. The configuration and live settings may cap a pool below it. */
  readonly concurrency: number;
  readonly ids: IdSource;
  readonly log: Logger;
  /** Told what happens, for meters and tracers. */
  readonly signals?: Signals | undefined;
  readonly identity: Pick<WorkerBeat, "workerId" | "host" | "pid" | "version">;
  /** Of providers' limits: a minute, but for tests. */
  readonly limitWindowMs?: number | undefined;
}

const HOLD_LOOK_MS_MAX = 60_000;
/** Stopping, what waits for Redis is waited for so long: a shard may be away. Others take over what is left undone. */
const LAST_WORD_MS = 3_000;

export class ModelWorker {
  readonly #options: ModelWorkerOptions;
  readonly #queues: PoolQueues;
  readonly #events: EventWriter;
  readonly #claims: ClaimKeeper;
  readonly #holds: PoolHolds;
  readonly #limits: AccountLimits;
  readonly #refusals: ClaimRefusals;
  readonly #deps: WorkerDeps;
  readonly #pools: ServedPools;
  /** Pools that match but cannot be served here, each said once. */
  readonly #refused = new Set<ModelId>();
  readonly #caretaker: Caretaker;
  readonly #stopping = new AbortController();
  #looking: Promise<void> = Promise.resolve();
  #listening: Promise<void> = Promise.resolve();
  #holdEnd: NodeJS.Timeout | undefined;

  constructor(options: ModelWorkerOptions) {
    const { ledger, connection, log, signals = NO_SIGNALS } = options;
    this.#options = options;
    this.#holds = new PoolHolds(options.ids, () => this.#followHolds());
    const settings = new LiveSettings(() => this.#pools.follow());
    const onQueueError = (error: Error) => log.warn({ error: error.message }, "queue error");
    this.#queues = new PoolQueues(connection, onQueueError, ledger.shards);
    this.#events = new EventWriter(ledger, (error) =>
      log.warn({ err: error }, "events could not be written"),
    );
    this.#claims = new ClaimKeeper({
      ledger,
      describe: () => this.#describe(),
      lockMs: LOCK_MS,
      onHolds: (holds) => this.#holds.learn(holds),
      settings,
      onError: (error) => log.warn({ err: error }, "the beat failed"),
    });
    this.#limits = new AccountLimits({
      ledger,
      config: options.config,
      settings: (pool) => settings.of(pool),
      ids: options.ids,
      log,
      onRest: () => this.#pools.follow(),
      windowMs: options.limitWindowMs,
    });
    this.#refusals = new ClaimRefusals({ ids: options.ids, log, onRest: () => this.#pools.follow() });
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
      refusals: this.#refusals,
      events: this.#events,
      holds: this.#holds,
      settings,
      limits: this.#limits,
      adapters: options.adapters,
      tools: options.tools,
      price: options.price,
      config: options.config,
      capabilities: options.capabilities,
      signals,
      ids: options.ids,
      log,
    };
    this.#pools = new ServedPools({
      concurrency: options.concurrency,
      shards: Array.from({ length: ledger.shards }, (_, shard) => shard),
      connection,
      queues: this.#queues,
      models: options.config.models,
      holds: this.#holds,
      settings,
      deps: this.#deps,
    });
    this.#caretaker = new Caretaker({
      ledger,
      queues: this.#queues,
      hub: options.hub,
      ids: options.ids,
      identity: { id: options.identity.workerId, host: options.identity.host },
      lockMs: LOCK_MS,
      onHealed: (healed) => {
        log.info(healed, "healed");
        const { what, runId, pool } = healed;
        // It heals by ending the run.
        if (what === "deadline" && runId !== undefined) {
          signals.runEnded({ runId, pool, status: "failed", code: "deadline" });
        }
      },
      onError: (error) => log.warn({ err: error }, "housekeeping failed"),
    });
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
      await this.#pools.serve(pool);
    }
    this.#caretaker.start();
    if (this.#options.patterns.some((pattern) => pattern.endsWith("*"))) this.#looking = this.#keepLooking();
  }

  /** The pools served now. */
  get pools(): readonly ModelId[] {
    return this.#pools.pools;
  }

  /** Phases at work now. */
  get active(): number {
    return this.#claims.size;
  }

  /** Pools whose claims Redis refuses, whatever the run. */
  get failing(): readonly string[] {
    return this.#refusals.unclaimable.toSorted();
  }

  /** Aborts what is at work; it goes on elsewhere from its last written item. */
  handBack(): void {
    this.#claims.handBack();
  }

  /** Stops within about `deadlineMs`; what does not end by then is handed back. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#holdEnd);
    this.#refusals.stop();
    this.#pools.stopTaking();
    const timer = setTimeout(() => this.#claims.handBack(), deadlineMs);
    const chores = Promise.all([this.#looking, this.#listening, this.#caretaker.stop()]);
    await this.#orLeave("its chores", chores);
    await this.#pools.close();
    clearTimeout(timer);
    await this.#orLeave("the last beat", this.#claims.stop());
    await this.#orLeave("its counts and events", Promise.all([this.#limits.close(), this.#events.close()]));
    const { ledger, identity } = this.#options;
    const farewell = Promise.all([this.#caretaker.release(), removeWorker(ledger.redis, identity.workerId)]);
    await this.#orLeave("its farewell", farewell);
    await this.#queues.close();
  }

  /** Waits for the work, but not for ever. */
  async #orLeave(what: string, work: Promise<unknown>): Promise<void> {
    const waited = new AbortController();
    const left = delay(LAST_WORD_MS, true, { signal: waited.signal }).catch(() => false);
    const isLeft = await Promise.race([work.then(() => false), left]).finally(() => waited.abort());
    if (isLeft) this.#options.log.warn({ what }, "Redis does not answer; stopping without it");
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
    this.#pools.follow();
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
    const { ledger } = this.#options;
    for (const pool of await listPools(ledger.redis, ledger.shards)) {
      if (this.#pools.has(pool) || this.#refused.has(pool)) continue;
      if (!this.#options.patterns.some((pattern) => matchesModelPattern(pattern, pool))) continue;
      if (this.#canServe(pool)) await this.#pools.serve(pool);
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

  #describe(): WorkerBeat {
    return {
      ...this.#options.identity,
      patterns: this.#options.patterns,
      refused: [...this.#refused].sort(),
      failingByPool: this.#refusals.byPool,
      ...this.#pools.describe(),
    };
  }
}
