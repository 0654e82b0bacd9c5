/**
 * The queues of the model pools: one BullMQ queue a pool, jobs `{runId, ticket}` with the id `<runId>-<ticket>`.
 * A job is a hint that a run may be claimed, never the truth; the ledger judges each (claim). Only BullMQ's
 * public API is used.
 */
import { jobIdOf, type ModelId } from "@baton/core";
import { type JobsOptions, Queue } from "bullmq";
import type { Redis } from "ioredis";
import type { QueueEntry } from "./create-run.ts";
import { queueNameOf, shardKeys } from "./keys.ts";

export interface PhaseJobData {
  readonly runId: string;
  readonly ticket: number;
}

export interface EnqueueOptions {
  readonly delayMs?: number;
  /** 0 or absent: first come, first served. */
  readonly priority?: number;
}

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
  readonly #connection: Redis;
  readonly #queues = new Map<ModelId, Queue<PhaseJobData>>();
  readonly #onError: (error: Error) => void;

  constructor(connection: Redis, onError: (error: Error) => void) {
    this.#connection = connection;
    this.#onError = onError;
  }

  /** Adds the job of an entry. Adding it again, while it is anywhere in the queue, changes nothing. */
  async enqueue(entry: QueueEntry, options: EnqueueOptions = {}): Promise<void> {
    const jobOptions: JobsOptions = {
      jobId: jobIdOf(entry.runId, entry.ticket),
      attempts: 1,
      removeOnComplete: true,
      removeOnFail: true,
      ...(options.delayMs !== undefined && options.delayMs > 0 ? { delay: options.delayMs } : {}),
      ...(options.priority !== undefined && options.priority > 0 ? { priority: options.priority } : {}),
    };
    await this.queueOf(entry.pool).add("phase", { runId: entry.runId, ticket: entry.ticket }, jobOptions);
  }

  async stateOf(entry: QueueEntry): Promise<EntryState> {
    const state = await this.queueOf(entry.pool).getJobState(jobIdOf(entry.runId, entry.ticket));
    if (state === "unknown") return "unknown";
    return state === "completed" || state === "failed" ? "finished" : "present";
  }

  async countsOf(pool: ModelId): Promise<PoolCounts> {
    const counts = await this.queueOf(pool).getJobCounts("wait", "prioritized", "delayed", "active");
    const of = (name: string): number => counts[name] ?? 0;
    return {
      waiting: of("wait"),
      prioritized: of("prioritized"),
      delayed: of("delayed"),
      active: of("active"),
    };
  }

  /** Those of the entries that have no job: its hash is gone, or is left and is in no list. */
  async missing<Entry extends QueueEntry>(entries: readonly Entry[]): Promise<readonly Entry[]> {
    const hashless = new Set(await this.hashless(entries));
    const byPool = Map.groupBy(
      entries.filter((entry) => !hashless.has(entry)),
      ({ pool }) => pool,
    );
    const listless = await Promise.all([...byPool].map(([pool, some]) => this.#listless(pool, some)));
    return [...hashless, ...listless.flat()];
  }

  /** Those of the entries whose job has no hash any more: cheap, however long the queue is. */
  async hashless<Entry extends QueueEntry>(entries: readonly Entry[]): Promise<readonly Entry[]> {
    const found: Entry[] = [];
    for (let from = 0; from < entries.length; from += HASHES_AT_ONCE) {
      const some = entries.slice(from, from + HASHES_AT_ONCE);
      const keys = some.map(({ pool, runId, ticket }) => this.queueOf(pool).toKey(jobIdOf(runId, ticket)));
      if ((await this.#connection.exists(...keys)) === keys.length) continue;
      const there = await Promise.all(keys.map((key) => this.#connection.exists(key)));
      found.push(...some.filter((_, place) => there[place] === 0));
    }
    return found;
  }

  /** A page of the ids of the pool's live jobs, at most so many of each list; empty behind the last. */
  async jobIds(pool: ModelId, page: number): Promise<readonly string[]> {
    const from = page * IDS_A_PAGE;
    return this.queueOf(pool).getRanges([...LIVE_LISTS], from, from + IDS_A_PAGE - 1);
  }

  async #listless<Entry extends QueueEntry>(
    pool: ModelId,
    entries: readonly Entry[],
  ): Promise<readonly Entry[]> {
    const ids = entries.length > SINGLE_LOOKS_MAX ? await this.#allJobIds(pool) : undefined;
    if (ids !== undefined) return entries.filter(({ runId, ticket }) => !ids.has(jobIdOf(runId, ticket)));
    // In a queue that is too long to be read whole, the rest have their turn another time.
    const some = entries.slice(0, SINGLE_LOOKS_MAX);
    const states = await Promise.all(some.map((entry) => this.stateOf(entry)));
    return some.filter((_, place) => states[place] !== "present");
  }

  /** Undefined when there are too many. */
  async #allJobIds(pool: ModelId): Promise<ReadonlySet<string> | undefined> {
    const ids = new Set<string>();
    for (let page = 0; ids.size <= JOB_IDS_MAX; page += 1) {
      const some = await this.jobIds(pool, page);
      if (some.length === 0) return ids;
      for (const id of some) ids.add(id);
    }
    return undefined;
  }

  queueOf(pool: ModelId): Queue<PhaseJobData> {
    const known = this.#queues.get(pool);
    if (known !== undefined) return known;
    const queue = new Queue<PhaseJobData>(queueNameOf(pool), {
      connection: this.#connection,
      prefix: shardKeys(0).bullmqPrefix,
      // Takes effect by the queue's meta, which the queue writes when it is opened.
      streams: { events: { maxLen: 1_000 } },
    });
    queue.on("error", this.#onError);
    this.#queues.set(pool, queue);
    return queue;
  }

  /** Closes the queues; the connection is its owner's. */
  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
    this.#queues.clear();
  }
}
