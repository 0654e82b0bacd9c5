/**
 * What waits in a pool's queue and for how long, for meters and scalers: a handful of commands, however long the queue
 * is. Exact, but for two things: of the entries with priorities of their own only the next is looked at for the oldest
 * wait, and an entry that came back from a killed worker waits since it was first added.
 */
import type { ModelId } from "@baton/core";
import type { Job, Queue } from "bullmq";
import { type PhaseJobData, type PoolQueues, PRIORITY } from "./pool-queues.ts";
import type { RedisClient } from "./redis-client.ts";
import { onShards } from "./shards.ts";

export interface PoolLoad {
  readonly waiting: number;
  readonly prioritized: number;
  /** Delayed, and their time has come: they move when a worker of the pool fetches, so without one they stay. */
  readonly due: number;
  /** Delayed, and not due: a backoff, a rate limit, a `run_at`. */
  readonly delayed: number;
  readonly active: number;
  /** Of all that could be taken now; 0 when there is nothing. */
  readonly oldestWaitMs: number;
}

/**
 * A delayed entry's score is its time in milliseconds times this, and a counter below. The one thing here that is not
 * BullMQ's public API (6.7.0); a test holds it to what BullMQ does.
 */
const DELAYED_SCORE_A_MS = 0x1000;

export interface LoadSource {
  readonly redis: RedisClient;
  readonly queues: Pick<PoolQueues, "queueOf" | "countsOf" | "shards">;
}

/** Of all shards together. `now`: Redis' own time, in milliseconds. */
export async function readPoolLoad(source: LoadSource, pool: ModelId, now: number): Promise<PoolLoad> {
  const parts = await onShards(source.queues.shards, (shard) => loadOfShard(source, pool, shard, now));
  const sum = (name: keyof PoolLoad): number => parts.reduce((total, part) => total + part[name], 0);
  return {
    waiting: sum("waiting"),
    prioritized: sum("prioritized"),
    due: sum("due"),
    delayed: sum("delayed"),
    active: sum("active"),
    oldestWaitMs: Math.max(...parts.map((part) => part.oldestWaitMs)),
  };
}

async function loadOfShard(
  { redis, queues }: LoadSource,
  pool: ModelId,
  shard: number,
  now: number,
): Promise<PoolLoad> {
  const queue = queues.queueOf(pool, shard);
  const [counts, byPriority, due, earliestDelayed, next] = await Promise.all([
    queues.countsOf(pool, shard),
    queue.getCountsPerPriority([PRIORITY.admitted, PRIORITY.new]),
    redis.zcount(queue.toKey("delayed"), "-inf", (now + 1) * DELAYED_SCORE_A_MS - 1),
    firstDelayedAt(redis, queue),
    // Of the list that is taken from first to last, the first is the oldest.
    queue.getJobs(["wait"], 0, 0, true),
  ]);
  const firsts = await firstOfEach(queue, counts.prioritized, byPriority);
  const since = [
    ...[...next, ...firsts].map(waitsSince),
    ...(earliestDelayed === undefined || due === 0 ? [] : [earliestDelayed]),
  ];
  return {
    waiting: counts.waiting,
    prioritized: counts.prioritized,
    due,
    delayed: Math.max(0, counts.delayed - due),
    active: counts.active,
    oldestWaitMs: since.length === 0 ? 0 : Math.max(0, now - Math.min(...since)),
  };
}

/**
 * Entries of one priority stand in the order in which they came, behind those of smaller numbers: the first of all, of
 * the admitted ones, and of those of runs that are new.
 */
async function firstOfEach(
  queue: Queue<PhaseJobData>,
  prioritized: number,
  byPriority: Readonly<Record<string, number>>,
): Promise<readonly (Job<PhaseJobData> | undefined)[]> {
  const fresh = byPriority[PRIORITY.new] ?? 0;
  const admitted = byPriority[PRIORITY.admitted] ?? 0;
  const places = new Set([0, prioritized - fresh - admitted, prioritized - fresh]);
  const inRange = [...places].filter((place) => place >= 0 && place < prioritized);
  const jobs = await Promise.all(inRange.map((place) => queue.getJobs(["prioritized"], place, place, true)));
  return jobs.flat();
}

/** A job may be gone between the list and its hash: then BullMQ gives undefined in its place. */
function waitsSince(job: Job<PhaseJobData> | undefined): number {
  return job === undefined ? Number.POSITIVE_INFINITY : job.timestamp + (job.opts.delay ?? 0);
}

/** The time of the first delayed entry, due or not. */
async function firstDelayedAt(redis: RedisClient, queue: Queue<PhaseJobData>): Promise<number | undefined> {
  const [, score] = await redis.zrange(queue.toKey("delayed"), "0", "0", "WITHSCORES");
  return score === undefined ? undefined : Math.floor(Number(score) / DELAYED_SCORE_A_MS);
}
