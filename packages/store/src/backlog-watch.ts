/**
 * Compares what each pool must have by the ledger with the jobs that its queue holds: two cheap counts a pool, which
 * do not grow with the backlog. Fewer jobs than runs on two passes is a deficit: some run has lost its entry.
 *
 * Counts are not taken at one moment, and a busy system has commits whose add is on its way, so a deficit may be
 * false. A sweep that finds nothing therefore makes the next one wait, twice as long each time, unless more is
 * missing than it was then.
 */
import type { ModelId } from "@baton/core";
import type { PoolQueues } from "./pool-queues.ts";
import type { RedisClient } from "./redis-client.ts";
import { backlogOf } from "./registry.ts";

const PATIENCE_MS_MIN = 5_000;
const PATIENCE_MS_MAX = 80_000;

export class BacklogWatch {
  readonly #redis: RedisClient;
  readonly #queues: PoolQueues;
  readonly #shard: number;
  /** Jobs that each pool lacked on the last pass. */
  #lacking: ReadonlyMap<ModelId, number> = new Map();
  /** Jobs that each pool lacked when a sweep found nothing missing. */
  #unexplained: ReadonlyMap<ModelId, number> = new Map();
  #patienceMs = PATIENCE_MS_MIN;
  #patientUntil = 0;

  constructor(redis: RedisClient, queues: PoolQueues, shard = 0) {
    this.#redis = redis;
    this.#queues = queues;
    this.#shard = shard;
  }

  /**
   * Whether some pool has lacked jobs on this pass and on the last, and a sweep is to find out which. Runs that are
   * suspected already explain as many of them.
   */
  async isDeficient(now: number, suspected: number): Promise<boolean> {
    const backlog = await backlogOf(this.#redis, this.#shard);
    const pools = [...backlog].filter(([, runs]) => runs > 0);
    const counts = await Promise.all(pools.map(([pool]) => this.#queues.countsOf(pool, this.#shard)));
    const lacking = new Map<ModelId, number>();
    for (const [place, [pool, runs]] of pools.entries()) {
      const found = counts[place];
      if (found === undefined) continue;
      const jobs = found.waiting + found.prioritized + found.delayed + found.active;
      if (jobs < runs) lacking.set(pool, runs - jobs);
    }
    const before = this.#lacking;
    this.#lacking = lacking;
    const total = [...lacking.values()].reduce((sum, jobs) => sum + jobs, 0);
    if (total <= suspected) return false;
    return [...lacking].some(([pool, jobs]) => {
      const isNew = jobs > (this.#unexplained.get(pool) ?? 0);
      return before.has(pool) && (isNew || now >= this.#patientUntil);
    });
  }

  /** Told after a sweep that was asked for: how many entries it missed. */
  swept(missed: number, now: number): void {
    if (missed > 0) {
      this.#unexplained = new Map();
      this.#patienceMs = PATIENCE_MS_MIN;
      this.#patientUntil = 0;
      return;
    }
    this.#unexplained = this.#lacking;
    this.#patientUntil = now + this.#patienceMs;
    this.#patienceMs = Math.min(2 * this.#patienceMs, PATIENCE_MS_MAX);
  }
}
