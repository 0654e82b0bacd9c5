/** `baton batch submit`: the file is checked whole, then each line becomes a run; called again it goes on. */
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
import { type BatchFlags, readBatchFlags } from "../batch-flags.ts";
import { checkModels } from "../batch-models.ts";
import { BatchReport } from "../batch-report.ts";
import { type BatchSource, openBatchSource } from "../batch-source.ts";
import { type CommandContext, openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { keepMemoryFlat } from "../flat-memory.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { StatusLine } from "../status-line.ts";
import { clean, count } from "../terminal.ts";

/** What the steps share. */
interface Submitting {
  readonly context: CommandContext;
  readonly source: BatchSource;
  readonly reading: ReadBatchOptions;
  readonly report: BatchReport;
  readonly signal: AbortSignal;
}

export async function submit(path: string, flags: BatchFlags): Promise<ExitCode> {
  keepMemoryFlat();
  const { reading, opening } = await readBatchFlags(path, flags);
  using interrupt = listenForInterrupt();
  const { signal } = interrupt;
  let isSending = false;
  try {
    await using source = await openBatchSource(path, signal);
    await using context = await openCommand({ quiet: flags.json === true });
    const models = await checkModels(context);
    using report = await BatchReport.open(context.terminal, flags, source);
    const all = { context, source, reading: { ...reading, check: models.check }, report, signal };
    const checked = await check(all);
    const id = flags.id ?? batchIdOf(checked.sha256, reading);
    if (!report.mayGoOn(checked)) return EXIT.usage;
    if (flags.check === true) {
      report.checked(id, checked);
      return EXIT.done;
    }
    isSending = true;
    const submission = await send(all, id, checked, opening);
    report.submitted(submission, checked, models.unserved());
    const { runAt } = await context.store.producer.batch(id);
    if (opening.runAt !== undefined && opening.runAt !== runAt) report.otherStart(runAt);
    return submission.isWhole && submission.conflicts === 0 ? EXIT.done : EXIT.runFailed;
  } catch (error) {
    if (isSending || !signal.aborted || error !== signal.reason) throw error;
    process.stderr.write("baton: interrupted before anything was submitted\n");
    return EXIT.runFailed;
  }
}

async function check({ source, reading, report, signal }: Submitting): Promise<BatchCheck> {
  using line = new StatusLine();
  const onProgress = (bytes: number): void => {
    const share = source.bytes === 0 ? 100 : (100 * bytes) / source.bytes;
    line.update(() => `checking ${clean(source.name)}: ${share.toFixed(0)} %`);
  };
  const onBad = report.badLine.bind(report, line);
  return await checkBatch(source.read(), { ...reading, onBad, onProgress }, signal);
}

async function send(
  { context, source, reading, report, signal }: Submitting,
  id: string,
  checked: BatchCheck,
  opening: Awaited<ReturnType<typeof readBatchFlags>>["opening"],
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
  return await context.store.producer.submitBatch(
    sameLines(source, reading, checked, signal),
    options,
    signal,
  );
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
