/**
 * The queues of the model pools: one BullMQ queue a pool and shard, jobs `{runId, ticket}` with the id `<runId>-<ticket>`.
 * A job is a hint that a run may be claimed, never the truth; the ledger judges each (claim). Only BullMQ's
 * public API is used.
 */
import { BatonError, jobIdOf, type ModelId, shardOf } from "@baton/core";
import { type JobsOptions, Queue } from "bullmq";
import type { QueueEntry } from "./create-run.ts";
import { queueNameOf, shardKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import { onShards } from "./shards.ts";

export interface PhaseJobData {
  readonly runId: string;
  readonly ticket: number;
}

export interface EnqueueOptions {
  readonly delayMs?: number;
  /** The run's own; 0 or absent: it has none. */
  readonly priority?: number;
  /** How far the run is; absent: `begun`. */
  readonly progress?: Progress;
}

/** A run that has begun goes before one that was admitted from a batch, and that before any other that has not. */
export type Progress = "begun" | "admitted" | "new";

/** As BullMQ counts: 0 goes first. A priority of the run's own overrides what its progress says. */
export const PRIORITY: Readonly<Record<Progress, number>> = { begun: 0, admitted: 999_999, new: 1_000_000 };

export interface PoolCounts {
  readonly waiting: number;
  readonly prioritized: number;
  readonly delayed: number;
  readonly active: number;
}

/** Whether BullMQ holds a job for the entry; `unknown` when it is in no list, even if its hash is left. */
export type EntryState = "present" | "finished" | "unknown";

/**
 * The lists in which a job is a live entry. A paused queue of BullMQ 6 keeps its jobs in `wait` and takes new ones there,
 * so there is no list for it. The order is the one in which jobs move on: one that moves while they are read is seen twice, not missed.
 */
const LIVE_LISTS = ["delayed", "wait", "prioritized", "active"] as const;
/** Keys that one EXISTS names. */
const HASHES_AT_ONCE = 200;
/** Looking for a job in a list costs as much as the list is long: past so many looks the whole list is read once. */
const SINGLE_LOOKS_MAX = 20;
const IDS_A_PAGE = 1_000;
/** Job ids that are held in memory at most. */
export const JOB_IDS_MAX = 200_000;

export class PoolQueues {
  readonly #connection: RedisClient;
  /** By shard. */
  readonly #queues: readonly Map<ModelId, Queue<PhaseJobData>>[];
  readonly #onError: (error: Error) => void;

  constructor(connection: RedisClient, onError: (error: Error) => void, shards = 1) {
    this.#connection = connection;
    this.#queues = Array.from({ length: shards }, () => new Map());
    this.#onError = onError;
  }

  /** Adds the job of an entry. Adding it again, while it is anywhere in the queue, changes nothing. */
  async enqueue(entry: QueueEntry, options: EnqueueOptions = {}): Promise<void> {
    // It waits for its admission: the feeder adds its job.
    if (entry.ticket === 0) return;
    const { runId, ticket } = entry;
    await this.#queueOf(entry).add("phase", { runId, ticket }, jobOptionsOf(entry, options));
  }

  /** Adds the jobs of many entries of one pool. */
  async enqueueAll(
    pool: ModelId,
    added: readonly { readonly entry: QueueEntry; readonly options: EnqueueOptions }[],
  ): Promise<void> {
    const byShard = Map.groupBy(added, ({ entry }) => shardOf(entry.runId));
    await Promise.all(
      [...byShard].map(([shard, some]) =>
        this.queueOf(pool, shard).addBulk(
          some.map(({ entry, options }) => ({
            name: "phase",
            data: { runId: entry.runId, ticket: entry.ticket },
            opts: jobOptionsOf(entry, options),
          })),
        ),
      ),
    );
  }

  async stateOf(entry: QueueEntry): Promise<EntryState> {
    const state = await this.#queueOf(entry).getJobState(jobIdOf(entry.runId, entry.ticket));
    if (state === "unknown") return "unknown";
    return state === "completed" || state === "failed" ? "finished" : "present";
  }

  /**
   * Bounds the phases of the pool at work at once, in all processes together; undefined takes the bound away. Shards have
   * equal parts of it, and each at least one, because it would never move otherwise.
   */
  async boundActive(pool: ModelId, most: number | undefined): Promise<void> {
    await onShards(this.shards, async (shard) => {
      const queue = this.queueOf(pool, shard);
      if (most === undefined) return queue.removeGlobalConcurrency();
      const part = Math.floor((most + this.shards - 1 - shard) / this.shards);
      return queue.setGlobalConcurrency(Math.max(1, part));
    });
  }

  /** Of one shard, or of all together. */
  async countsOf(pool: ModelId, shard?: number): Promise<PoolCounts> {
    const parts =
      shard === undefined
        ? await onShards(this.shards, (each) => this.#countsAt(pool, each))
        : [await this.#countsAt(pool, shard)];
    const of = (name: string): number => parts.reduce((sum, counts) => sum + (counts[name] ?? 0), 0);
    return {
      waiting: of("wait"),
      prioritized: of("prioritized"),
      delayed: of("delayed"),
      active: of("active"),
    };
  }

  #countsAt(pool: ModelId, shard: number): Promise<Readonly<Record<string, number>>> {
    return this.queueOf(pool, shard).getJobCounts("wait", "prioritized", "delayed", "active");
  }

  /** Those of the entries that have no job, all of them of one shard: its hash is gone, or is left and is in no list. */
  async missing<Entry extends QueueEntry>(entries: readonly Entry[]): Promise<readonly Entry[]> {
    const hashless = new Set(await this.hashless(entries));
    const byPool = Map.groupBy(
      entries.filter((entry) => !hashless.has(entry)),
      ({ pool }) => pool,
    );
    const listless = await Promise.all([...byPool].map(([pool, some]) => this.#listless(pool, some)));
    return [...hashless, ...listless.flat()];
  }

  /** Those of the entries, all of them of one shard, whose job has no hash any more: cheap, however long the queue is. */
  async hashless<Entry extends QueueEntry>(entries: readonly Entry[]): Promise<readonly Entry[]> {
    const found: Entry[] = [];
    for (let from = 0; from < entries.length; from += HASHES_AT_ONCE) {
      const some = entries.slice(from, from + HASHES_AT_ONCE);
      const keys = some.map((entry) => this.#queueOf(entry).toKey(jobIdOf(entry.runId, entry.ticket)));
      if ((await this.#connection.exists(...keys)) === keys.length) continue;
      const there = await Promise.all(keys.map((key) => this.#connection.exists(key)));
      found.push(...some.filter((_, place) => there[place] === 0));
    }
    return found;
  }

  /** A page of the ids of the pool's live jobs in a shard, at most so many of each list; empty behind the last. */
  async jobIds(pool: ModelId, page: number, shard = 0): Promise<readonly string[]> {
    const from = page * IDS_A_PAGE;
    return this.queueOf(pool, shard).getRanges([...LIVE_LISTS], from, from + IDS_A_PAGE - 1);
  }

  async #listless<Entry extends QueueEntry>(
    pool: ModelId,
    entries: readonly Entry[],
  ): Promise<readonly Entry[]> {
    const [first] = entries;
    const shard = first === undefined ? 0 : shardOf(first.runId);
    const ids = entries.length > SINGLE_LOOKS_MAX ? await this.#allJobIds(pool, shard) : undefined;
    if (ids !== undefined) return entries.filter(({ runId, ticket }) => !ids.has(jobIdOf(runId, ticket)));
    // In a queue that is too long to be read whole, the rest have their turn another time.
    const some = entries.slice(0, SINGLE_LOOKS_MAX);
    const states = await Promise.all(some.map((entry) => this.stateOf(entry)));
    return some.filter((_, place) => states[place] !== "present");
  }

  /** Undefined when there are too many. */
  async #allJobIds(pool: ModelId, shard: number): Promise<ReadonlySet<string> | undefined> {
    const ids = new Set<string>();
    for (let page = 0; ids.size <= JOB_IDS_MAX; page += 1) {
      const some = await this.jobIds(pool, page, shard);
      if (some.length === 0) return ids;
      for (const id of some) ids.add(id);
    }
    return undefined;
  }

  get shards(): number {
    return this.#queues.length;
  }

  #queueOf({ pool, runId }: QueueEntry): Queue<PhaseJobData> {
    return this.queueOf(pool, shardOf(runId));
  }

  /** The pool's queue in a shard. Throws `store_corrupt` for a shard that the store does not have. */
  queueOf(pool: ModelId, shard = 0): Queue<PhaseJobData> {
    const queues = this.#queues[shard];
    if (queues === undefined) {
      throw new BatonError("store_corrupt", `a run lies in shard ${shard}, and the store has ${this.shards}`);
    }
    const known = queues.get(pool);
    if (known !== undefined) return known;
    const queue = new Queue<PhaseJobData>(queueNameOf(pool), {
      connection: this.#connection,
      prefix: shardKeys(shard).bullmqPrefix,
      // Takes effect by the queue's meta, which the queue writes when it is opened.
      streams: { events: { maxLen: 1_000 } },
    });
    queue.on("error", this.#onError);
    queues.set(pool, queue);
    return queue;
  }

  /** Closes the queues; the connection is its owner's. */
  async close(): Promise<void> {
    const queues = this.#queues.flatMap((some) => [...some.values()]);
    for (const some of this.#queues) some.clear();
    await Promise.all(queues.map((queue) => queue.close()));
  }
}

function jobOptionsOf(entry: QueueEntry, options: EnqueueOptions): JobsOptions {
  const { delayMs = 0, progress = "begun" } = options;
  const priority = options.priority || PRIORITY[progress];
  return {
    jobId: jobIdOf(entry.runId, entry.ticket),
    attempts: 1,
    removeOnComplete: true,
    removeOnFail: true,
    ...(delayMs > 0 ? { delay: delayMs } : {}),
    ...(priority > 0 ? { priority } : {}),
  };
}
