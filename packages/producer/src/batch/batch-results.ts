/**
 * What came of the runs of a batch, one after another, in flat memory: in the order of its lines, or in the order in
 * which they ended, also while the batch is still at work.
 */
import { isTerminal, type Run, type RunId, type RunResult, type TerminalStatus } from "@baton/core";
import type { Ledger, RunWithSpec } from "@baton/store";
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
}

/** A run that failed or was cancelled. */
export interface BatchErrorLine {
  readonly id: RunId;
  readonly custom_id?: string;
  readonly error: { readonly code: string; readonly message: string };
}

export type ResultsSource = StatusSource & Pick<Ledger, "read" | "conversation" | "batchPage" | "batchEnded">;

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
): AsyncGenerator<RunResult, void, void> {
  const read = async ({ run, spec }: RunWithSpec) => readResult(ledger, run, spec);
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
    for await (const { run } of endedRuns(ledger, batch, { ...options, statuses }, either))
      yield errorLine(run);
  } finally {
    left.abort();
  }
}

function errorLine(run: Run): BatchErrorLine {
  const { code, message } = errorOf(run) ?? { code: "internal", message: "the run did not fail" };
  return {
    id: run.id,
    ...(run.customId === undefined ? {} : { custom_id: run.customId }),
    error: { code, message },
  };
}

async function* endedRuns(
  ledger: ResultsSource,
  batch: string,
  options: BatchResultsOptions,
  signal: AbortSignal,
): AsyncGenerator<RunWithSpec, void, void> {
  await readBatchStatus(ledger, batch);
  const { statuses = ENDED } = options;
  const ids =
    options.order === "finished"
      ? idsAsFinished(ledger, batch, options.follow === true, signal)
      : idsInOrder(ledger, batch, statuses, signal);
  for await (const one of mapAtOnce(ids, IDS_A_PAGE, (id) => ledger.read(id))) {
    // One that was put back to work meanwhile has no end any more, and one whose retention passed is gone.
    if (one === undefined || !isTerminal(one.run.status)) continue;
    if (statuses.includes(one.run.status)) yield one;
  }
}

/** Ids of the runs of these groups, in the order of the lines. */
export async function* idsInOrder(
  ledger: Pick<Ledger, "batchPage">,
  batch: string,
  groups: NonNullable<Parameters<Ledger["batchPage"]>[1]["groups"]>,
  signal: AbortSignal,
): AsyncGenerator<RunId, void, void> {
  let after: string | undefined;
  do {
    if (signal.aborted) return;
    const page = await ledger.batchPage(batch, { groups, after, limit: IDS_A_PAGE });
    yield* page.ids;
    after = page.after;
  } while (after !== undefined);
}

async function* idsAsFinished(
  ledger: ResultsSource,
  batch: string,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<RunId, void, void> {
  let cursor: string | undefined;
  while (!signal.aborted) {
    // Asked before the look: what ends between the two is met by the look.
    const isOver = follow ? (await readBatchStatus(ledger, batch)).isOver : true;
    const page = await ledger.batchEnded(batch, { cursor, limit: IDS_A_PAGE });
    yield* page.ids;
    cursor = page.cursor;
    if (page.ids.length > 0) continue;
    if (isOver) return;
    await pause(LOOK_EVERY_MS, signal);
  }
}
