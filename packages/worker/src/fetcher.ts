/**
 * Fetches the phases of one pool from one BullMQ queue, and carries each to its end. BullMQ keeps the queue, delays,
 * locks and stalled jobs; its own main loop is not used, because there one queue alone decides how much is at work.
 *
 * - No phase is worked on without a place. What is fetched without one, or when no more may be taken, goes back to the
 *   front of its queue at once and wakes another process.
 * - Waiting for the next job holds no place.
 * - Whoever ends a phase takes the next job of the queue in the same call, unless it is another one's turn.
 * - Stalled jobs are looked for always: also when the process is full, or the pool is held.
 * - What fails is told and tried again after a pause; the loop ends by `close` alone.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { ModelId } from "@baton/core";
import { type PhaseJobData, queueNameOf, type RedisClient } from "@baton/store";
import { Job, Worker } from "bullmq";
import type { Logger } from "pino";
import type { ExtendLocks, HeldJob } from "./claim-keeper.ts";
import type { Places } from "./places.ts";
import type { JobVerdict } from "./run-phase.ts";

export const LOCK_MS = 4_000;
const STALLED_CHECK_MS = 1_000;
/**
 * Seconds of a blocking read. A new job wakes one idle process at once; when that one is lost or frozen with the
 * wake-up in its hands, the others learn of the job when their read ends, so it is no longer than a lock.
 */
const DRAIN_DELAY_S = LOCK_MS / 1_000;
/** Fetches under way at once while a queue has jobs: a round trip each, one after another, would limit the pool. */
const FETCHES_MAX = 4;
const RETRY_MS = 1_000;
/** Blocking reads in a row that end at once and bring nothing: a queue that wakes for nothing must not spin. */
const QUICK_READS_MAX = 50;
const QUICK_READ_MS = 5;
const SPIN_PAUSE_MS = 100;

export interface FetcherOptions {
  readonly pool: ModelId;
  /** BullMQ's prefix in the shard of the queue. */
  readonly prefix: string;
  readonly connection: RedisClient;
  readonly places: Places;
  /** Does what a job asks for. */
  readonly work: (job: Job<PhaseJobData>, held: HeldJob) => Promise<JobVerdict>;
  readonly now: () => number;
  readonly log: Logger;
}

/** `interrupted`: nothing more may be taken now, so it is not known whether there is more. */
type Filled = "emptied" | "interrupted";

export class Fetcher {
  readonly #options: FetcherOptions;
  readonly #worker: Worker<PhaseJobData>;
  readonly #extend: ExtendLocks;
  readonly #working = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  /** Aborted while nothing may be taken. */
  #taking = new AbortController();
  /** Resolves when something may be taken again, or the fetcher stops. */
  #release = Promise.withResolvers<void>();
  #filling: Promise<Filled> | undefined;
  #loop: Promise<void> = Promise.resolve();
  #tokens = 0;

  constructor(options: FetcherOptions) {
    this.#options = options;
    const { pool, connection, prefix, log } = options;
    const worker = new Worker<PhaseJobData>(queueNameOf(pool), null, {
      connection,
      prefix,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      skipLockRenewal: true,
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      drainDelay: DRAIN_DELAY_S,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    });
    worker.on("error", (error) => log.warn({ pool, error: error.message }, "queue error"));
    this.#worker = worker;
    this.#extend = (jobIds, tokens, ms) => worker.extendJobLocks(jobIds, tokens, ms);
    this.#release.resolve();
  }

  async start(): Promise<void> {
    await this.#worker.waitUntilReady();
    if (this.#stopping.signal.aborted) return;
    await this.#worker.startStalledCheckTimer();
    this.#loop = this.#run();
  }

  /** Takes nothing while it rests. What is at work goes on. */
  rest(isResting: boolean): void {
    if (this.#stopping.signal.aborted || isResting === this.#taking.signal.aborted) return;
    if (isResting) {
      this.#release = Promise.withResolvers<void>();
      this.#taking.abort();
      return;
    }
    this.#taking = new AbortController();
    this.#release.resolve();
    this.look();
  }

  /** Looks for jobs now, for when there may be some of which no wake-up tells. */
  look(): void {
    if (!this.#isTaking) return;
    this.#fill().catch((error: unknown) => this.#tell(error));
  }

  /** Takes no more jobs; those at work go on. */
  stopTaking(): void {
    this.#stopping.abort();
    this.#taking.abort();
    this.#release.resolve();
  }

  /** Waits for what is at work, and closes. */
  async close(): Promise<void> {
    this.stopTaking();
    await this.#filling?.catch(() => undefined);
    await this.#atWork();
    // Ends the blocking read. A job that it brings now goes back, or is found stalled.
    await this.#worker.close(true);
    await this.#loop;
    await this.#atWork();
  }

  get #isTaking(): boolean {
    return !this.#taking.signal.aborted;
  }

  async #atWork(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    let quickReads = 0;
    while (!signal.aborted) {
      try {
        await this.#release.promise;
        if ((await this.#fill()) === "interrupted") continue;
        const startedAt = this.#options.now();
        const isFound = await this.#listen();
        const isQuick = !isFound && this.#options.now() - startedAt < QUICK_READ_MS;
        quickReads = isQuick ? quickReads + 1 : 0;
        if (quickReads > QUICK_READS_MAX) await this.#pause(SPIN_PAUSE_MS);
      } catch (error) {
        this.#tell(error);
        await this.#pause(RETRY_MS);
      }
    }
  }

  #pause(ms: number): Promise<unknown> {
    return delay(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }

  #tell(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    this.#options.log.warn(
      { pool: this.#options.pool, err: error },
      "jobs could not be fetched; trying again",
    );
  }

  /** Waits for a job without holding a place. Whether one came. */
  async #listen(): Promise<boolean> {
    const { pool, places } = this.#options;
    const token = this.#newToken();
    const job = await this.#worker.getNextJob(token, { block: true });
    if (job === undefined) return false;
    if (this.#isTaking && places.tryTake(pool)) this.#start(job, token);
    else await this.#giveBack(job, token);
    return true;
  }

  /** Fetches until the queue is empty, as places come free. One at a time does it, whoever asks. */
  #fill(): Promise<Filled> {
    this.#filling ??= this.#fetchAll(this.#taking.signal).finally(() => {
      this.#filling = undefined;
    });
    return this.#filling;
  }

  async #fetchAll(signal: AbortSignal): Promise<Filled> {
    const { pool, places } = this.#options;
    const underWay = new Set<Promise<void>>();
    const end: { isEmpty: boolean; error?: unknown } = { isEmpty: false };
    // One job that is found makes it likely that there are more.
    let width = 1;
    while (!end.isEmpty && !signal.aborted) {
      const isTaken = underWay.size < width && places.tryTake(pool);
      if (!isTaken && underWay.size > 0) {
        await Promise.race(underWay);
        continue;
      }
      if (!isTaken && !(await places.take(pool, signal, this))) break;
      const fetching = this.#fetchOne()
        .then(
          (isFound) => {
            width = Math.min(width + 1, FETCHES_MAX);
            end.isEmpty ||= !isFound;
          },
          (error: unknown) => {
            end.isEmpty = true;
            end.error = error;
          },
        )
        .finally(() => underWay.delete(fetching));
      underWay.add(fetching);
    }
    await Promise.all(underWay);
    if (end.error !== undefined) throw end.error;
    return end.isEmpty ? "emptied" : "interrupted";
  }

  /** With a place taken, which the job keeps; without a job it is given back. */
  async #fetchOne(): Promise<boolean> {
    const { pool, places } = this.#options;
    const token = this.#newToken();
    let job: Job<PhaseJobData> | undefined;
    try {
      job = await this.#worker.getNextJob(token, { block: false });
    } finally {
      if (job === undefined) places.give(pool);
    }
    if (job === undefined) return false;
    this.#start(job, token);
    return true;
  }

  #newToken(): string {
    this.#tokens += 1;
    return `${this.#worker.id}:${this.#tokens}`;
  }

  /** Works on a job that has a place, and on those that it is given at the end of each. */
  #start(job: Job<PhaseJobData>, token: string): void {
    const working = this.#work(job, token).finally(() => {
      this.#working.delete(working);
      this.#options.places.give(this.#options.pool);
    });
    this.#working.add(working);
  }

  /** Never rejects. A job that cannot be ended is found stalled, and its next claim finds out what it is. */
  async #work(first: Job<PhaseJobData>, token: string): Promise<void> {
    const { pool, log } = this.#options;
    let job: Job<PhaseJobData> | undefined = first;
    try {
      while (job !== undefined) {
        if (!this.#isTaking) return await this.#giveBack(job, token);
        job = await this.#finish(job, token);
      }
    } catch (error) {
      log.warn({ pool, job: job?.id, err: error }, "a job could not be ended");
    }
  }

  /** Does what a job asks for, ends it, and returns the next one if there is one to go on with. */
  async #finish(job: Job<PhaseJobData>, token: string): Promise<Job<PhaseJobData> | undefined> {
    const { pool, places, work, now, log } = this.#options;
    if (job.id === undefined) throw new Error("BullMQ gave a job without an id");
    let verdict: JobVerdict;
    try {
      verdict = await work(job, { jobId: job.id, token, extend: this.#extend });
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      // The run is not lost: its entry is gone, so the reconciler queues it again.
      log.error({ pool, job: job.id, err: error }, "a phase broke outside its own error handling");
      await job.moveToFailed(error, token, false);
      return undefined;
    }
    if (verdict.kind === "later") {
      await job.moveToDelayed(now() + verdict.ms, token);
      return undefined;
    }
    const isGoingOn = this.#isTaking && places.mayGoOn(pool, this);
    // BullMQ types the next job's data as any: it is the job's JSON and its id, if there is one.
    const next = (await job.moveToCompleted(undefined, token, isGoingOn)) as
      | readonly [Parameters<typeof Job.fromJSON>[1] | null, string]
      | undefined;
    const data = next?.[0];
    if (data === undefined || data === null) return undefined;
    const following: Job<PhaseJobData> = Job.fromJSON(this.#worker, data, next?.[1]);
    return following;
  }

  /** Puts a job back to the front of its queue and wakes another process. */
  async #giveBack(job: Job<PhaseJobData>, token: string): Promise<void> {
    const { priority } = job;
    const steps: Promise<unknown>[] = [job.moveToWait(token)];
    if (priority > 0) {
      // Among prioritized jobs, putting one in front wakes nobody, and putting it behind does. Sent in one go.
      steps.push(job.changePriority({ priority }), job.changePriority({ priority, lifo: true }));
    }
    await Promise.all(steps);
  }
}
