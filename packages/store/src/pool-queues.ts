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
