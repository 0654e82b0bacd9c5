/** Batches through the API: the same calls as those of a producer on Redis. */
import { setTimeout as delay } from "node:timers/promises";
import { BatonError, type Budget, runIdSchema, runResultSchema } from "@baton/core";
import type { Batch } from "@baton/store";
import { z } from "zod";
import type { BatchChange, RetryBatchOptions } from "../batch/batch-control.ts";
import type { BatchLine } from "../batch/batch-line.ts";
import type { BatchErrorLine, BatchResultLine, BatchResultsOptions } from "../batch/batch-results.ts";
import type { BatchFilter, BatchStatus } from "../batch/batch-status.ts";
import { batchOfWire, wireBatchSchema } from "../batch/batch-wire.ts";
import type { BatchSubmission, SubmitBatchOptions } from "../batch/submit-batch.ts";
import type { Done } from "../each-run.ts";
import { keepLines } from "./batch-lines-file.ts";
import { type BatchUpload, type UploadAnswer, uploadBatch } from "./batch-upload.ts";
import { actOnMany } from "./many-runs.ts";
import { type RemoteOptions, RemoteRuns } from "./remote-runs.ts";
import { resultLines } from "./result-lines.ts";
import { parsed, type ServerClient, type ServerRequest } from "./server-client.ts";

const pageSchema = z.object({ data: z.array(wireBatchSchema), next_cursor: z.string().nullable() });
const resultLineSchema = runResultSchema.extend({ cursor: z.string() });
const errorLineSchema = z.object({
  id: runIdSchema,
  custom_id: z.string().optional(),
  error: z.object({ code: z.string(), message: z.string() }),
  cursor: z.string(),
});

const LOOK_EVERY_MS = 1_000;
const PAGE = 50;
/** What the API takes at most: lines that were read by a program are as long as it let them be. */
const LINE_BYTES_MAX = 33_554_432;

export class RemoteBatches extends RemoteRuns {
  readonly #client: ServerClient;

  constructor(options: RemoteOptions) {
    super(options);
    this.#client = options.client;
  }

  /** Sends a batch file as it is: the API checks and submits it. */
  uploadBatch(upload: BatchUpload, signal: AbortSignal): Promise<UploadAnswer> {
    return uploadBatch(this.#client, upload, signal);
  }

  /** Makes a run of each line; tells of the first hundred conflicts. Throws `invalid_spec` for lines that the API refuses. */
  async submitBatch(
    lines: AsyncIterable<BatchLine>,
    options: SubmitBatchOptions,
    signal: AbortSignal,
  ): Promise<BatchSubmission> {
    const { id, namespace, weight, budget, runAt, onProgress, onConflict } = options;
    if (namespace !== undefined) {
      throw new BatonError("unsupported", "through the API the namespace is that of the API key");
    }
    let so: BatchSubmission = { id, created: 0, known: 0, conflicts: 0, isWhole: false };
    try {
      await using file = await keepLines(lines, signal);
      const query = {
        ...{ id, weight, budget_usd: budget?.usd, budget_tokens: budget?.tokens },
        run_at: runAt === undefined ? undefined : new Date(runAt).toISOString(),
        line_bytes_max: LINE_BYTES_MAX,
      };
      const upload: BatchUpload = {
        read: () => file.read(),
        mediaType: "application/x-ndjson",
        query,
        onProgress: ({ created, known, conflicts }) => {
          so = { id, created, known, conflicts, isWhole: false };
          onProgress?.(so);
        },
      };
      const answer = await this.uploadBatch(upload, signal);
      if (answer.kind !== "submitted") throw refusedLines(answer);
      const { created, known, conflicts, conflictLines } = answer;
      for (const conflict of conflictLines) onConflict?.(conflict);
      const whole = { id, created, known, conflicts, isWhole: true };
      onProgress?.(whole);
      return whole;
    } catch (error) {
      if (!signal.aborted || error !== signal.reason) throw error;
      return so;
    }
  }

  /** What the runs of a batch spent, and their budget; of one that is not there, nothing. */
  async batch(id: string): Promise<Batch> {
    try {
      const {
        runs: _runs,
        total: _total,
        pools: _pools,
        isOver: _isOver,
        ...batch
      } = await this.batchStatus(id);
      return batch;
    } catch (error) {
      if (!(error instanceof BatonError) || error.code !== "not_found") throw error;
      return {
        ...{ id, createdAt: undefined, lines: undefined, isOpen: false, weight: 1, runAt: undefined },
        ...{ tokens: 0, costUsd: 0, unpricedReplies: 0, budget: {}, isSpent: false },
      };
    }
  }

  /** Sets the whole budget of a batch. The API lets runs go on that waited for it. */
  async setBatchBudget(id: string, { tokens, usd }: Budget): Promise<void> {
    const change = { budget: { tokens: tokens ?? null, usd: usd ?? null } };
    for await (const _ of this.changeBatch(id, change, new AbortController().signal));
  }

  changeBatch(
    id: string,
    { weight, budget }: BatchChange,
    signal: AbortSignal,
  ): AsyncGenerator<Done, void, void> {
    return this.#act({ method: "PATCH", path: batchPath(id), body: { weight, budget } }, signal);
  }

  cancelBatch(id: string, signal: AbortSignal): AsyncGenerator<Done, void, void> {
    return this.#act({ method: "POST", path: `${batchPath(id)}/cancel` }, signal);
  }

  retryBatch(
    id: string,
    { cancelled, model, input, attempts, budget }: RetryBatchOptions,
    signal: AbortSignal,
  ): AsyncGenerator<Done, void, void> {
    const body = { cancelled, model, input, attempts, budget };
    return this.#act({ method: "POST", path: `${batchPath(id)}/retry`, body }, signal);
  }

  #act(request: ServerRequest, signal: AbortSignal): AsyncGenerator<Done, void, void> {
    return actOnMany(this.#client, request, signal);
  }

  async batchStatus(id: string): Promise<BatchStatus> {
    return batchOfWire(await this.#client.json({ method: "GET", path: batchPath(id) }, wireBatchSchema));
  }

  /** Batches, newest first. */
  async *batches({ namespace, before }: BatchFilter = {}): AsyncGenerator<BatchStatus, void, void> {
    if (namespace !== undefined) {
      throw new BatonError("unsupported", "through the API the namespace is that of the API key");
    }
    let cursor: string | undefined;
    do {
      const query = { limit: PAGE, cursor };
      const page = await this.#client.json({ method: "GET", path: "/v1/batches", query }, pageSchema);
      const found = page.data.map(batchOfWire);
      yield* before === undefined ? found : found.filter((batch) => isBehind(batch, before));
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
  }

  /** The status now and every `everyMs`, until the batch is over or the signal is aborted. */
  async *watchBatch(
    id: string,
    signal: AbortSignal,
    everyMs = LOOK_EVERY_MS,
  ): AsyncGenerator<BatchStatus, void, void> {
    const request = { method: "GET", path: batchPath(id) } as const;
    while (!signal.aborted) {
      const wire = await this.#client.json(request, wireBatchSchema, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
        return undefined;
      });
      if (wire === undefined) return;
      const status = batchOfWire(wire);
      yield status;
      if (status.isOver) return;
      await delay(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Results of the runs that have ended, in the order of the lines or of their ends. */
  async *batchResults(
    id: string,
    { statuses, ...order }: BatchResultsOptions,
    signal: AbortSignal,
  ): AsyncGenerator<BatchResultLine, void, void> {
    const query = { ...queryOf(order), status: statuses };
    const path = `${batchPath(id)}/results`;
    for await (const line of resultLines(this.#client, { path, query, after: order.after }, signal)) {
      yield parsed(resultLineSchema, line);
    }
  }

  /** Runs that failed or were cancelled, with their errors. */
  async *batchErrors(
    id: string,
    options: Omit<BatchResultsOptions, "statuses">,
    signal: AbortSignal,
  ): AsyncGenerator<BatchErrorLine, void, void> {
    const path = `${batchPath(id)}/errors`;
    const query = queryOf(options);
    for await (const line of resultLines(this.#client, { path, query, after: options.after }, signal)) {
      yield parsed(errorLineSchema, line);
    }
  }
}

function batchPath(id: string): string {
  return `/v1/batches/${encodeURIComponent(id)}`;
}

function queryOf({ order, follow }: BatchResultsOptions) {
  return { order, follow: follow === true ? "true" : undefined };
}

function isBehind(
  { id, createdAt = 0 }: BatchStatus,
  before: { readonly id: string; readonly at: number },
): boolean {
  return createdAt < before.at || (createdAt === before.at && id < before.id);
}

function refusedLines({ runs, invalid, badLines: [first] }: UploadAnswer): BatonError {
  const why = first === undefined ? "" : `. Line ${first.line}: ${first.reason}`;
  return new BatonError(
    "invalid_spec",
    `${invalid} of ${runs + invalid} lines cannot be submitted, so nothing was${why}`,
  );
}
