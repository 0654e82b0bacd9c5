/**
 * What came of the runs of a batch, one after another, in flat memory: in the order of its lines, or in the order in
 * which they ended, also while the batch is still at work.
 */
import {
  BatonError,
  isTerminal,
  type Run,
  type RunId,
  type RunResult,
  resultOf,
  runIdSchema,
  type TerminalStatus,
} from "@baton/core";
import { isFaultOfRecord, type Ledger, type RunWithSpec } from "@baton/store";
import { errorOf } from "../follow-run.ts";
import { readResult } from "../read-result.ts";
import { mapAtOnce } from "./at-once.ts";
import { pause, readBatchStatus, type StatusSource } from "./batch-status.ts";

export interface BatchResultsOptions {
  /** `input` (the default): as the lines are. `finished`: as the runs ended. */
  readonly order?: "input" | "finished" | undefined;
  /** In the order of their ends: goes on until the batch is over. A run that is retried comes again at its next end. */
  readonly follow?: boolean | undefined;
  /** How the runs ended; absent: in any way. */
  readonly statuses?: readonly TerminalStatus[] | undefined;
  /**
   * The `cursor` of a line that came before in this order: what stands behind it. In the order of the ends, lines of the
   * same millisecond may come again; none is left out.
   */
  readonly after?: string | undefined;
}

/** A result, and where to go on behind it. */
export type BatchResultLine = RunResult & { readonly cursor: string };

/** A run that failed or was cancelled. */
export interface BatchErrorLine {
  readonly id: RunId;
  readonly custom_id?: string;
  readonly error: { readonly code: string; readonly message: string };
  readonly cursor: string;
}

export type ResultsSource = StatusSource &
  Pick<Ledger, "read" | "outline" | "conversation" | "batchPage" | "batchEnded">;

const ENDED = ["succeeded", "failed", "cancelled"] as const;
const IDS_A_PAGE = 200;
/** Conversations that are in memory at a time: they may be long. */
const READ_AT_ONCE = 16;
const LOOK_EVERY_MS = 500;

/** Runs that have not ended are left out. Throws `not_found` when there is no such batch. */
export async function* batchResults(
  ledger: ResultsSource,
  batch: string,
  options: BatchResultsOptions,
  signal: AbortSignal,
): AsyncGenerator<BatchResultLine, void, void> {
  const read = async (ended: EndedRun) => ({
    ...(await resultOfEnded(ledger, ended)),
    cursor: ended.cursor,
  });
  // Who leaves early ends the look for more, which might go on for as long as the batch.
  const left = new AbortController();
  const either = AbortSignal.any([signal, left.signal]);
  try {
    yield* mapAtOnce(endedRuns(ledger, batch, options, either), READ_AT_ONCE, read);
  } finally {
    left.abort();
  }
}

/** Of the runs that failed or were cancelled. */
export async function* batchErrors(
  ledger: ResultsSource,
  batch: string,
  options: Omit<BatchResultsOptions, "statuses">,
  signal: AbortSignal,
): AsyncGenerator<BatchErrorLine, void, void> {
  const statuses = ["failed", "cancelled"] as const;
  const left = new AbortController();
  const either = AbortSignal.any([signal, left.signal]);
  try {
    for await (const { run, cursor } of endedRuns(ledger, batch, { ...options, statuses }, either))
      yield errorLine(run, cursor);
  } finally {
    left.abort();
  }
}

function errorLine(run: Run, cursor: string): BatchErrorLine {
  const { code, message } = errorOf(run) ?? { code: "internal", message: "the run did not fail" };
  return {
    id: run.id,
    ...(run.customId === undefined ? {} : { custom_id: run.customId }),
    error: { code, message },
    cursor,
  };
}

interface Placed {
  readonly id: RunId;
  readonly cursor: string;
}

/** `unreadable`: why the run's spec cannot be read here. */
type EndedRun = { readonly cursor: string } & (
  | RunWithSpec
  | { readonly run: Run; readonly unreadable: BatonError }
);

/** One run that is encrypted with a key that is not given here, or damaged, keeps nobody from the results of the others. */
async function resultOfEnded(ledger: ResultsSource, ended: EndedRun): Promise<RunResult> {
  if ("unreadable" in ended) return withoutOutput(ended.run, ended.unreadable);
  try {
    return await readResult(ledger, ended.run, ended.spec);
  } catch (error) {
    return withoutOutput(ended.run, demandUnreadable(error));
  }
}

async function readEnded(ledger: ResultsSource, { id, cursor }: Placed): Promise<EndedRun | undefined> {
  try {
    const found = await ledger.read(id);
    return found && { ...found, cursor };
  } catch (error) {
    const unreadable = demandUnreadable(error);
    const run = await ledger.outline(id);
    return run && { run, unreadable, cursor };
  }
}

/** Why a run cannot be read; throws what is wrong with more than this run. */
function demandUnreadable(error: unknown): BatonError {
  if (error instanceof BatonError && error.code === "encryption_key_missing") return error;
  if (!isFaultOfRecord(error)) throw error;
  if (error instanceof BatonError) return error;
  return new BatonError("store_corrupt", "what lies in the store of this run cannot be read", {
    cause: error,
  });
}

function withoutOutput(run: Run, { code, message }: BatonError): RunResult {
  return { ...resultOf(run, []), final_output: null, error: { code, message } };
}

async function* endedRuns(
  ledger: ResultsSource,
  batch: string,
  options: BatchResultsOptions,
  signal: AbortSignal,
): AsyncGenerator<EndedRun, void, void> {
  await readBatchStatus(ledger, batch);
  const { statuses = ENDED } = options;
  const placed =
    options.order === "finished"
      ? asFinished(ledger, batch, options, signal)
      : asLines(ledger, batch, options, signal);
  for await (const one of mapAtOnce(placed, IDS_A_PAGE, (place) => readEnded(ledger, place))) {
    // One that was put back to work meanwhile has no end any more, and one whose retention passed is gone.
    if (one === undefined || !isTerminal(one.run.status)) continue;
    if (statuses.includes(one.run.status)) yield one;
  }
}

async function* asLines(
  ledger: ResultsSource,
  batch: string,
  { statuses = ENDED, after }: BatchResultsOptions,
  signal: AbortSignal,
): AsyncGenerator<Placed, void, void> {
  const place = after === undefined ? undefined : placeOf(after);
  for await (const id of idsInOrder(ledger, batch, statuses, signal, place)) yield { id, cursor: id };
}

/** In the order of the lines a cursor is a run's id, the end of which is the place of its line. */
function placeOf(cursor: string): string {
  const { data: id } = runIdSchema.safeParse(cursor);
  if (id !== undefined) return id.slice(id.indexOf("_", 2) + 1);
  throw new BatonError("invalid_spec", "after is no cursor that the lines of this batch have in this order", {
    fields: { field: "after" },
  });
}

/** Ids of the runs of these groups, in the order of the lines; from the start, or behind a place. */
export async function* idsInOrder(
  ledger: Pick<Ledger, "batchPage">,
  batch: string,
  groups: NonNullable<Parameters<Ledger["batchPage"]>[1]["groups"]>,
  signal: AbortSignal,
  behind?: string,
): AsyncGenerator<RunId, void, void> {
  let after = behind;
  do {
    if (signal.aborted) return;
    const page = await ledger.batchPage(batch, { groups, after, limit: IDS_A_PAGE });
    yield* page.ids;
    after = page.after;
  } while (after !== undefined);
}

async function* asFinished(
  ledger: ResultsSource,
  batch: string,
  { follow = false, after }: BatchResultsOptions,
  signal: AbortSignal,
): AsyncGenerator<Placed, void, void> {
  let cursor: string | undefined;
  while (!signal.aborted) {
    // Asked before the look: what ends between the two is met by the look.
    const isOver = follow ? (await readBatchStatus(ledger, batch)).isOver : true;
    const page = await ledger.batchEnded(batch, { cursor, after, limit: IDS_A_PAGE });
    for (const { id, place } of page.ended) yield { id, cursor: place };
    cursor = page.cursor;
    if (page.ended.length > 0) continue;
    if (isOver) return;
    await pause(LOOK_EVERY_MS, signal);
  }
}
