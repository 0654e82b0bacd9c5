/**
 * One pool's BullMQ worker. BullMQ fetches, delays, limits and finds stalled jobs; what a job means is the
 * flow's business. Locks are renewed by the claim keeper and not by BullMQ, and a job that is picked up again
 * any number of times is not failed: crashes are counted in the ledger.
 */
import { type ModelId, runIdSchema, toBatonError } from "@baton/core";
import { type PhaseJobData, queueNameOf, shardKeys } from "@baton/store";
import { DelayedError, type Job, Worker } from "bullmq";
import type { Redis } from "ioredis";
import type { ExtendLocks } from "./claim-keeper.ts";
import { runPhase } from "./run-phase.ts";
import type { WorkerDeps } from "./worker-deps.ts";

export const LOCK_MS = 4_000;
const STALLED_CHECK_MS = 1_000;
/**
 * Seconds of a blocking read. A new job wakes one idle worker at once; when that one is lost or frozen with the
 * wake-up in its hands, the others learn of the job when their read ends, so it is no longer than a lock.
 */
const DRAIN_DELAY_S = LOCK_MS / 1_000;

export interface PoolWorkerOptions {
  readonly pool: ModelId;
  readonly connection: Redis;
  readonly concurrency: number;
  readonly deps: WorkerDeps;
}

export class PoolWorker {
  readonly pool: ModelId;
  readonly #worker: Worker<PhaseJobData>;

  constructor({ pool, connection, concurrency, deps }: PoolWorkerOptions) {
    this.pool = pool;
    const extend: ExtendLocks = (jobIds, tokens, ms) => this.#worker.extendJobLocks(jobIds, tokens, ms);
    this.#worker = new Worker<PhaseJobData>(
      queueNameOf(pool),
      (job, token) => process(job, token, pool, extend, deps),
      {
        connection,
        prefix: shardKeys(0).bullmqPrefix,
        concurrency,
        lockDuration: LOCK_MS,
        stalledInterval: STALLED_CHECK_MS,
        skipLockRenewal: true,
        maxStalledCount: Number.MAX_SAFE_INTEGER,
        drainDelay: DRAIN_DELAY_S,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
      },
    );
    this.#worker.on("error", (error) => deps.log.warn({ pool, error: error.message }, "queue error"));
    this.#worker.on("failed", (job, error) => {
      // The run is not lost: its entry is gone, so the reconciler queues it again.
      deps.log.error({ pool, job: job?.id, err: error }, "a phase broke outside its own error handling");
    });
  }

  async ready(): Promise<void> {
    await this.#worker.waitUntilReady();
  }

  /** Takes no more jobs; those at work go on. */
  async stopTaking(): Promise<void> {
    await this.#worker.pause(true);
  }

  /** Waits for the jobs at work and closes. */
  async close(): Promise<void> {
    await this.#worker.close();
  }
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
  const verdict = await runPhase(entry, { jobId: job.id, token, extend }, deps).catch((thrown: unknown) => {
    const error = toBatonError(thrown);
    deps.log.error({ runId: entry.runId, pool, err: error }, "phase broke");
    throw error;
  });
  if (verdict.kind === "done") return;
  await job.moveToDelayed(deps.ids.now() + verdict.ms, token);
  throw new DelayedError();
}
