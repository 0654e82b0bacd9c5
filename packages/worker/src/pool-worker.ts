/**
 * One pool in this process: its fetchers, one for each shard, which share the places of the process. What a job means
 * is the flow's business. Locks are renewed by the claim keeper and not by BullMQ, and a job that is picked up again any
 * number of times is not failed: crashes are counted in the ledger.
 */
import { type ModelId, runIdSchema, toBatonError } from "@baton/core";
import { type PhaseJobData, type RedisClient, shardKeys } from "@baton/store";
import type { Job } from "bullmq";
import type { HeldJob } from "./claim-keeper.ts";
import { Fetcher } from "./fetcher.ts";
import { MinuteCount } from "./minute-count.ts";
import type { Places } from "./places.ts";
import { type JobVerdict, runPhase } from "./run-phase.ts";
import type { WorkerDeps } from "./worker-deps.ts";

export { LOCK_MS } from "./fetcher.ts";

/** Where the pool is bounded as a whole, a phase that ends in another process wakes nobody here. */
const LOOK_MS = 500;

export interface PoolWorkerOptions {
  readonly pool: ModelId;
  readonly connection: RedisClient;
  readonly places: Places;
  /** The shards whose queues it serves. */
  readonly shards: readonly number[];
  readonly deps: WorkerDeps;
}

export class PoolWorker {
  readonly pool: ModelId;
  readonly #deps: WorkerDeps;
  readonly #fetchers: readonly Fetcher[];
  readonly #ended = new MinuteCount();
  #looking: NodeJS.Timeout | undefined;
  #isStopping = false;

  constructor({ pool, connection, places, shards, deps }: PoolWorkerOptions) {
    this.pool = pool;
    this.#deps = deps;
    this.#fetchers = shards.map(
      (shard) =>
        new Fetcher({
          pool,
          connection,
          places,
          prefix: shardKeys(shard).bullmqPrefix,
          work: (job, held) => this.#work(job, held),
          now: () => deps.ids.now(),
          log: deps.log,
        }),
    );
  }

  async start(): Promise<void> {
    await Promise.all(this.#fetchers.map((fetcher) => fetcher.start()));
  }

  /** Phases that ended here within the last minute. */
  get endedLastMinute(): number {
    return this.#ended.at(this.#deps.ids.now());
  }

  /** Takes no jobs while the pool is held, and takes them again. Those at work go on. */
  hold(isHeld: boolean): void {
    for (const fetcher of this.#fetchers) fetcher.rest(isHeld);
  }

  /** Looks for jobs now, and then every now and then if the pool is bounded as a whole. */
  look(isBounded: boolean): void {
    clearInterval(this.#looking);
    if (this.#isStopping) return;
    this.#lookNow();
    if (isBounded) this.#looking = setInterval(() => this.#lookNow(), LOOK_MS);
  }

  /** Takes no more jobs; those at work go on. */
  stopTaking(): void {
    this.#isStopping = true;
    clearInterval(this.#looking);
    for (const fetcher of this.#fetchers) fetcher.stopTaking();
  }

  /** Waits for the jobs at work and closes. */
  async close(): Promise<void> {
    this.stopTaking();
    await Promise.all(this.#fetchers.map((fetcher) => fetcher.close()));
  }

  #lookNow(): void {
    for (const fetcher of this.#fetchers) fetcher.look();
  }

  async #work(job: Job<PhaseJobData>, held: HeldJob): Promise<JobVerdict> {
    const { pool } = this;
    const { log } = this.#deps;
    const runId = runIdSchema.safeParse(job.data.runId);
    if (!runId.success) {
      log.error({ pool, job: job.id }, "a job that is not Baton's was in the queue; it is dropped");
      return { kind: "done", why: "not a phase" };
    }
    try {
      const verdict = await runPhase({ runId: runId.data, ticket: job.data.ticket, pool }, held, this.#deps);
      if (verdict.kind === "done") this.#ended.add(this.#deps.ids.now());
      return verdict;
    } catch (thrown) {
      const error = toBatonError(thrown);
      log.error({ runId: runId.data, pool, err: error }, "phase broke");
      throw error;
    }
  }
}
