/** `baton batch submit` on Redis itself: the file is checked whole here, then each line becomes a run. */
import { BatonError } from "@baton/core";
import {
  type BatchCheck,
  type BatchLine,
  type BatchSubmission,
  batchIdOf,
  checkBatch,
  hashing,
  type ReadBatchOptions,
  readBatchLines,
} from "@baton/producer";
import type { BatchFlags, ReadFlags } from "./batch-flags.ts";
import { checkModels } from "./batch-models.ts";
import type { BatchReport } from "./batch-report.ts";
import type { BatchSource } from "./batch-source.ts";
import type { LocalContext } from "./command-context.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { StatusLine } from "./status-line.ts";
import { clean, count } from "./terminal.ts";

/** What the steps share. */
export interface Sending {
  readonly context: LocalContext;
  readonly source: BatchSource;
  readonly flags: BatchFlags;
  readonly reading: ReadBatchOptions;
  readonly opening: ReadFlags["opening"];
  readonly report: BatchReport;
  readonly signal: AbortSignal;
  /** From here on something is submitted. */
  readonly onSending: () => void;
}

export async function sendFile(sending: Sending): Promise<ExitCode> {
  const { context, flags, opening, report, onSending } = sending;
  const models = await checkModels(context);
  const all = { ...sending, reading: { ...sending.reading, check: models.check } };
  const checked = await check(all);
  const id = flags.id ?? batchIdOf(checked.sha256, sending.reading);
  if (!report.mayGoOn(checked)) return EXIT.usage;
  if (flags.check === true) {
    report.checked(id, checked);
    return EXIT.done;
  }
  onSending();
  const submission = await send(all, id, checked);
  report.submitted(submission, checked, models.unserved());
  const { runAt } = await context.runs.batch(id);
  if (opening.runAt !== undefined && opening.runAt !== runAt) report.otherStart(runAt);
  return submission.isWhole && submission.conflicts === 0 ? EXIT.done : EXIT.runFailed;
}

async function check({ source, reading, report, signal }: Sending): Promise<BatchCheck> {
  using line = new StatusLine();
  const onProgress = (bytes: number): void => {
    const share = source.bytes === 0 ? 100 : (100 * bytes) / source.bytes;
    line.update(() => `checking ${clean(source.name)}: ${share.toFixed(0)} %`);
  };
  const onBad = report.badLine.bind(report, line);
  return await checkBatch(source.read(), { ...reading, onBad, onProgress }, signal);
}

async function send(
  { context, source, reading, opening, report, signal }: Sending,
  id: string,
  checked: BatchCheck,
): Promise<BatchSubmission> {
  using line = new StatusLine();
  const started = performance.now();
  const onProgress = (so: BatchSubmission): void => {
    const done = so.created + so.known + so.conflicts;
    const rate = done / Math.max(1e-3, (performance.now() - started) / 1_000);
    line.update(
      () =>
        `submitting ${id}: ${count(done)} of ${count(checked.runs)} runs, ${count(Math.round(rate))} a second`,
    );
  };
  const onConflict = report.conflict.bind(report, line);
  const options = { id, ...opening, onProgress, onConflict };
  return await context.runs.submitBatch(sameLines(source, reading, checked, signal), options, signal);
}

/** The lines that were checked, or an error at their end, before the batch is told to be whole, when they are others. */
async function* sameLines(
  source: BatchSource,
  reading: ReadBatchOptions,
  checked: BatchCheck,
  signal: AbortSignal,
): AsyncGenerator<BatchLine, void, void> {
  // An abort ends the loop that takes the lines; here it would be an error.
  const hashed = hashing(source.read(), new AbortController().signal);
  for await (const line of readBatchLines(hashed.source, reading)) {
    if (line.kind === "run") yield line;
  }
  if (signal.aborted || hashed.end().sha256 === checked.sha256) return;
  throw new BatonError(
    "conflict",
    `${source.name} changed while it was submitted: look at what it says now, and submit it again`,
  );
}
