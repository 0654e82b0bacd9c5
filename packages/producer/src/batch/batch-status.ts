/** What a batch is doing, as it is now and as it goes on. */
import { setTimeout as delay } from "node:timers/promises";
import { BatonError, type ModelId } from "@baton/core";
import type { Batch, BatchCounts, Ledger } from "@baton/store";
import { checkBatchId } from "./batch-key.ts";

export interface BatchStatus extends Batch {
  readonly runs: BatchCounts;
  /** Runs that are there, of whatever status. */
  readonly total: number;
  /** How many of its runs are queued or running in each pool. */
  readonly pools: ReadonlyMap<ModelId, number>;
  /** All runs are in, and all have ended. One that never had a run is not over. */
  readonly isOver: boolean;
}

export type StatusSource = Pick<Ledger, "batch" | "batches" | "countBatch" | "batchPools">;

/** Throws `not_found` for a batch that has no run and was never opened. */
export async function readBatchStatus(ledger: StatusSource, id: string): Promise<BatchStatus> {
  checkBatchId(id);
  // First whether all its runs are in: counted before it, runs that came meanwhile would be missing from one that is over.
  const batch = await ledger.batch(id);
  const [runs, pools] = await Promise.all([ledger.countBatch(id), ledger.batchPools(id)]);
  const total = Object.values(runs).reduce((sum, count) => sum + count, 0);
  if (batch.createdAt === undefined && total === 0) {
    throw new BatonError("not_found", `there is no batch ${id}: \`baton batch ls\` lists them`);
  }
  const ended = runs.succeeded + runs.failed + runs.cancelled;
  // Its runs may be gone already, as their retention says; what they spent stays.
  const isNew = total === 0 && batch.lines === undefined && batch.tokens === 0;
  return { ...batch, runs, total, pools, isOver: ended === total && !batch.isOpen && !isNew };
}

const BATCHES_A_PAGE = 50;

export interface BatchFilter {
  /** Those of this namespace alone. */
  readonly namespace?: string | undefined;
  /** Only those behind this one, of which `at` is the `createdAt`. */
  readonly before?: { readonly id: string; readonly at: number } | undefined;
}

/** Batches, newest first. */
export async function* listBatches(
  ledger: StatusSource,
  { namespace, before }: BatchFilter,
): AsyncGenerator<BatchStatus, void, void> {
  // Each page goes on behind a batch and not at a number: batches come and go meanwhile.
  let behind = before;
  let from = 0;
  for (;;) {
    const page = await ledger.batches({ from, limit: BATCHES_A_PAGE, namespace, before: behind });
    const read = await Promise.all(page.map((id) => readBatchStatus(ledger, id).catch(goneIsNone)));
    const found = read.filter((status) => status !== undefined);
    yield* found;
    if (page.length < BATCHES_A_PAGE) return;
    const last = found.findLast(({ createdAt }) => createdAt !== undefined);
    // A page of which nothing is left is skipped by its length.
    from = last === undefined ? from + page.length : 0;
    if (last?.createdAt !== undefined) behind = { id: last.id, at: last.createdAt };
  }
}

/** A batch may go while it is listed. */
function goneIsNone(error: unknown): undefined {
  if (error instanceof BatonError && error.code === "not_found") return undefined;
  throw error;
}

/** The status at once and then again and again, until the batch is over or the signal is aborted. */
export async function* watchBatch(
  ledger: StatusSource,
  id: string,
  everyMs: number,
  signal: AbortSignal,
): AsyncGenerator<BatchStatus, void, void> {
  while (!signal.aborted) {
    const status = await readBatchStatus(ledger, id);
    yield status;
    if (status.isOver) return;
    await pause(everyMs, signal);
  }
}

/** Ends early when the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
