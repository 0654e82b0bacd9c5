/** What producers do with whole batches: submit them, look at them, read what came of them, cancel and retry their runs. */
import type { Budget, RunId } from "@baton/core";
import type { Batch } from "@baton/store";
import { type Done, doOne } from "../each-run.ts";
import { type ProducerOptions, type RetryOptions, RunControl } from "../run-control.ts";
import { mapAtOnce } from "./at-once.ts";
import { checkBatchId } from "./batch-key.ts";
import type { BatchLine } from "./batch-line.ts";
import {
  type BatchErrorLine,
  type BatchResultLine,
  type BatchResultsOptions,
  batchErrors,
  batchResults,
  idsInOrder,
} from "./batch-results.ts";
import {
  type BatchFilter,
  type BatchStatus,
  listBatches,
  readBatchStatus,
  watchBatch,
} from "./batch-status.ts";
import { type BatchSubmission, type SubmitBatchOptions, submitBatch } from "./submit-batch.ts";

export interface RetryBatchOptions extends RetryOptions {
  /** Also those that were cancelled. */
  readonly cancelled?: boolean | undefined;
}

/** What is not said stays as it is. */
export interface BatchChange {
  readonly weight?: number | undefined;
  /** Goes over the batch's budget, name by name; null takes a bound away. */
  readonly budget?: { readonly tokens?: number | null; readonly usd?: number | null } | undefined;
}

/** Runs of a batch that are acted on at a time. */
const AT_ONCE = 200;
const LOOK_EVERY_MS = 1_000;

export class BatchControl extends RunControl {
  readonly #options: ProducerOptions;

  constructor(options: ProducerOptions) {
    super(options);
    this.#options = options;
  }

  /**
   * Makes a run of each line. Submitting the same batch again goes on where it ended: a line that is a run already stays
   * as it is, and one whose run has another body is told as a conflict. Ends early when the signal is aborted.
   */
  submitBatch(
    lines: AsyncIterable<BatchLine>,
    options: SubmitBatchOptions,
    signal: AbortSignal,
  ): Promise<BatchSubmission> {
    return submitBatch(this.#options, lines, options, signal);
  }

  /** What the runs of a batch spent, and their budget. */
  async batch(id: string): Promise<Batch> {
    checkBatchId(id);
    return this.#options.ledger.batch(id);
  }

  /** Sets the whole budget of a batch; runs that wait for it are resumed by the caller. */
  async setBatchBudget(id: string, budget: Budget): Promise<void> {
    checkBatchId(id);
    await this.#options.ledger.setBatchBudget(id, budget);
  }

  /**
   * Sets the weight and the budget. When the budget was set and is not spent, the runs that waited for it go on; tells of
   * each of them. One that has used up a budget of its own will wait again.
   */
  async *changeBatch(
    id: string,
    { weight, budget }: BatchChange,
    signal: AbortSignal,
  ): AsyncGenerator<Done, void, void> {
    checkBatchId(id);
    const { ledger } = this.#options;
    if (weight !== undefined) await ledger.setBatchWeight(id, weight);
    if (budget === undefined) return;
    const before = (await ledger.batch(id)).budget;
    const { tokens = before.tokens, usd = before.usd } = budget;
    await ledger.setBatchBudget(id, { tokens: tokens ?? undefined, usd: usd ?? undefined });
    if ((await ledger.batch(id)).isSpent) return;
    const filter = { status: "waiting", reason: "budget", batch: id } as const;
    for await (const done of this.each(filter, (run) => this.resume(run))) {
      yield done;
      if (signal.aborted) return;
    }
  }

  /** Throws `not_found` when there is no such batch. */
  batchStatus(id: string): Promise<BatchStatus> {
    return readBatchStatus(this.#options.ledger, id);
  }

  /** Batches, newest first; of a namespace, if one is given. */
  batches(filter: BatchFilter = {}): AsyncGenerator<BatchStatus, void, void> {
    return listBatches(this.#options.ledger, filter);
  }

  /** The status now and every `everyMs`, until the batch is over or the signal is aborted. */
  watchBatch(
    id: string,
    signal: AbortSignal,
    everyMs = LOOK_EVERY_MS,
  ): AsyncGenerator<BatchStatus, void, void> {
    return watchBatch(this.#options.ledger, id, everyMs, signal);
  }

  /** Results of the runs that have ended, in the order of the lines or of their ends. */
  batchResults(
    id: string,
    options: BatchResultsOptions,
    signal: AbortSignal,
  ): AsyncGenerator<BatchResultLine, void, void> {
    return batchResults(this.#options.ledger, id, options, signal);
  }

  /** Runs that failed or were cancelled, with their errors. */
  batchErrors(
    id: string,
    options: Omit<BatchResultsOptions, "statuses">,
    signal: AbortSignal,
  ): AsyncGenerator<BatchErrorLine, void, void> {
    return batchErrors(this.#options.ledger, id, options, signal);
  }

  /**
   * Cancels all that has not ended; tells of each run. Called again it goes on with what is left. A batch whose
   * submission was broken off has all of its runs then, and is over.
   */
  async *cancelBatch(id: string, signal: AbortSignal): AsyncGenerator<Done, void, void> {
    yield* this.#each(id, ["live", "waiting"], (run) => this.cancel(run), signal);
    if (signal.aborted) return;
    const { isOpen, total } = await this.batchStatus(id);
    if (isOpen) await this.#options.ledger.sealBatch(id, total);
  }

  /** Puts the failed runs back to work, each in its last phase; tells of each. Called again it goes on with what is left. */
  retryBatch(id: string, options: RetryBatchOptions, signal: AbortSignal): AsyncGenerator<Done, void, void> {
    const { cancelled, ...retry } = options;
    const groups = cancelled === true ? (["failed", "cancelled"] as const) : (["failed"] as const);
    return this.#each(id, groups, (run) => this.retry(run, retry), signal);
  }

  async *#each(
    id: string,
    groups: Parameters<typeof idsInOrder>[2],
    act: (run: RunId) => Promise<void>,
    signal: AbortSignal,
  ): AsyncGenerator<Done, void, void> {
    await this.batchStatus(id);
    const ids = idsInOrder(this.#options.ledger, id, groups, signal);
    yield* mapAtOnce(ids, AT_ONCE, (run) => doOne(run, act));
  }
}
