/**
 * What a worker process does for the store as a whole, beside its own phases: it reconciles and feeds. Every process
 * is ready for it, and for each shard one does it, the leader. The others follow at the cost of one small call a second.
 */
import type { IdSource } from "@baton/core";
import {
  BatchBudgets,
  type EventHub,
  Feeder,
  type Healed,
  type Ledger,
  listWorkers,
  type PoolQueues,
  Reconciler,
} from "@baton/store";
import { keepFeeding, livePlaces } from "./feeding.ts";
import { Housekeeper } from "./housekeeper.ts";

export interface CaretakerOptions {
  readonly ledger: Ledger;
  readonly queues: PoolQueues;
  readonly hub: Pick<EventHub, "subscribeAdmission">;
  readonly ids: IdSource;
  /** Who would lead: an id that no other process has, and where it runs. */
  readonly identity: { readonly id: string; readonly host: string };
  /** Duration of BullMQ's lock, in milliseconds. */
  readonly lockMs: number;
  readonly onHealed: (healed: Healed) => void;
  readonly onError: (error: unknown) => void;
}

const RECONCILE_MS = 1_000;

export class Caretaker {
  readonly #options: CaretakerOptions;
  readonly #reconcilers: readonly Reconciler[];
  readonly #chores: readonly Housekeeper[];
  readonly #budgets: BatchBudgets;
  readonly #stopping = new AbortController();
  #feeding: Promise<void> = Promise.resolve();

  constructor(options: CaretakerOptions) {
    this.#options = options;
    const { ledger, queues, ids, identity, lockMs, onHealed, onError } = options;
    this.#reconcilers = shardsOf(ledger).map(
      (shard) => new Reconciler({ ledger, queues, shard, ids, identity, lockMs, onHealed }),
    );
    this.#budgets = new BatchBudgets(ledger.redis, ledger.shards);
    this.#chores = this.#reconcilers.map(
      (reconciler, shard) => new Housekeeper(RECONCILE_MS, () => this.#turn(reconciler, shard), onError),
    );
  }

  start(): void {
    for (const chore of this.#chores) chore.start();
    const { ledger, queues, hub, ids, onError } = this.#options;
    const placesOf = livePlaces(() => listWorkers(ledger.redis), ids.now);
    const shards = ledger.shards;
    const feeders = shardsOf(ledger).map((shard) => new Feeder({ ledger, queues, shard, shards, placesOf }));
    const leads = (shard: number): boolean => this.#reconcilers[shard]?.leads ?? false;
    this.#feeding = keepFeeding({ feeders, leads, hub, now: ids.now, onError }, this.#stopping.signal);
  }

  /** Ends the chores that are under way. The lead is kept until `release`. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#feeding, ...this.#chores.map((chore) => chore.stop())]);
  }

  /** Gives the lead back, so that another process takes it at once. */
  async release(): Promise<void> {
    await Promise.all(this.#reconcilers.map((reconciler) => reconciler.release()));
  }

  async #turn(reconciler: Reconciler, shard: number): Promise<void> {
    try {
      await reconciler.turn();
      if (shard === 0 && reconciler.leads) await this.#budgets.pass();
    } catch (error) {
      throw new Error(`the reconciler of shard ${shard} failed`, { cause: error });
    }
  }
}

function shardsOf(ledger: Ledger): readonly number[] {
  return Array.from({ length: ledger.shards }, (_, shard) => shard);
}
