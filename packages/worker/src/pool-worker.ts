/**
 * One pool's BullMQ workers. BullMQ fetches, delays, limits and finds stalled jobs; what a job means is the
 * flow's business. Locks are renewed by the claim keeper and not by BullMQ, and a job that is picked up again
 * any number of times is not failed: crashes are counted in the ledger.
 */
import { type ModelId, runIdSchema, toBatonError } from "@baton/core";
import { type PhaseJobData, type QueueEntry, queueNameOf, shardKeys } from "@baton/store";
import { DelayedError, type Job, Worker } from "bullmq";
import type { Redis } from "ioredis";
import type { ExtendLocks, HeldJob } from "./claim-keeper.ts";
import { type JobVerdict, runPhase } from "./run-phase.ts";
import type { WorkerDeps } from "./worker-deps.ts";

export const LOCK_MS = 4_000;
const STALLED_CHECK_MS = 1_000;
/**
 * Seconds of a blocking read. A new job wakes one idle worker at once; when that one is lost or frozen with the
 * wake-up in its hands, the others learn of the job when their read ends, so it is no longer than a lock.
 */
const DRAIN_DELAY_S = LOCK_MS / 1_000;

/**
 * A BullMQ worker fetches one job at a time, a round trip each. With short phases that loop is what limits a pool, so
 * a pool of many places has several of them; each costs one more blocking connection.
 */
const FETCHERS_MAX = 4;
const PLACES_A_FETCHER = 16;

/** How long a job of a held pool is put back at most, so that a release is soon followed. */
const HELD_LOOK_MS = 1_000;

export interface PoolWorkerOptions {
  readonly pool: ModelId;
  readonly connection: Redis;
  readonly concurrency: number;
  readonly deps: WorkerDeps;
}

export class PoolWorker {
  readonly pool: ModelId;
  readonly #workers: readonly Worker<PhaseJobData>[];
  readonly #log: WorkerDeps["log"];
  #isHeld = false;
  #holding: Promise<void> = Promise.resolve();

  constructor(options: PoolWorkerOptions) {
    this.pool = options.pool;
    this.#log = options.deps.log;
    const fetchers = Math.min(FETCHERS_MAX, Math.ceil(options.concurrency / PLACES_A_FETCHER));
    this.#workers = Array.from({ length: fetchers }, (_, index) => {
      // The places are dealt out, so that together the fetchers have as many as were asked for.
      const concurrency = Math.floor((options.concurrency + index) / fetchers);
      return openFetcher({ ...options, concurrency }, index === 0);
    });
  }

  async ready(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.waitUntilReady()));
  }

  /** Takes no jobs while the pool is held, and takes them again. Those at work go on. */
  hold(isHeld: boolean): void {
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    this.#holding = this.#holding.then(() => this.#follow(isHeld));
  }

  /** One that fails is tried again when the holds are followed next, at the next beat. */
  async #follow(isHeld: boolean): Promise<void> {
    try {
      await Promise.all(this.#workers.map((worker) => (isHeld ? worker.pause(true) : worker.resume())));
    } catch (error) {
      this.#isHeld = !isHeld;
      this.#log.warn(
        { pool: this.pool, err: error },
        isHeld ? "the pool does not rest" : "the pool still rests",
      );
    }
  }

  /** Takes no more jobs; those at work go on. */
  async stopTaking(): Promise<void> {
    await this.#holding;
    await Promise.all(this.#workers.map((worker) => worker.pause(true)));
  }

  /** Waits for the jobs at work and closes. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }
}

function openFetcher(options: PoolWorkerOptions, checksStalled: boolean): Worker<PhaseJobData> {
  const { pool, connection, concurrency, deps } = options;
  const extend: ExtendLocks = (jobIds, tokens, ms) => worker.extendJobLocks(jobIds, tokens, ms);
  const worker: Worker<PhaseJobData> = new Worker<PhaseJobData>(
    queueNameOf(pool),
    (job, token) => process(job, token, pool, extend, deps),
    {
      connection,
      prefix: shardKeys(0).bullmqPrefix,
      concurrency,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      skipStalledCheck: !checksStalled,
      skipLockRenewal: true,
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      drainDelay: DRAIN_DELAY_S,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    },
  );
  worker.on("error", (error) => deps.log.warn({ pool, error: error.message }, "queue error"));
  worker.on("failed", (job, error) => {
    // The run is not lost: its entry is gone, so the reconciler queues it again.
    deps.log.error({ pool, job: job?.id, err: error }, "a phase broke outside its own error handling");
  });
  return worker;
}

async function process(
  job: Job<PhaseJobData>,
  token: string | undefined,
  pool: ModelId,
  extend: ExtendLocks,
  deps: WorkerDeps,
): Promise<void> {
  if (job.id === undefined || token === undefined) throw new Error("BullMQ gave a job without id or token");
  const runId = runIdSchema.safeParse(job.data.runId);
  if (!runId.success) {
    deps.log.error({ pool, job: job.id }, "a job that is not Baton's was in the queue; it is dropped");
    return;
  }
  const entry = { runId: runId.data, ticket: job.data.ticket, pool };
  const verdict = await verdictOn(entry, { jobId: job.id, token, extend }, deps);
  if (verdict.kind === "done") return;
  await job.moveToDelayed(deps.ids.now() + verdict.ms, token);
  throw new DelayedError();
}

/** A fetch that was under way when the pool was held may still bring a job; it goes back unclaimed. */
async function verdictOn(entry: QueueEntry, job: HeldJob, deps: WorkerDeps): Promise<JobVerdict> {
  const heldMs = deps.holds.msOf(entry.pool);
  if (heldMs > 0) return { kind: "later", ms: Math.min(heldMs, HELD_LOOK_MS) };
  try {
    return await runPhase(entry, job, deps);
  } catch (thrown) {
    const error = toBatonError(thrown);
    deps.log.error({ runId: entry.runId, pool: entry.pool, err: error }, "phase broke");
    throw error;
  }
}
