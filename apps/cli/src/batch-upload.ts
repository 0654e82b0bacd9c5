/** `baton batch submit` through an API: the file goes there once, as it is; the server checks it and makes its runs. */
import type { ReadBatchOptions } from "@baton/producer";
import type { UploadAnswer, UploadProgress } from "@baton/producer/remote";
import type { BatchFlags, ReadFlags } from "./batch-flags.ts";
import type { BatchReport } from "./batch-report.ts";
import type { BatchSource } from "./batch-source.ts";
import type { ServerContext } from "./command-context.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { StatusLine } from "./status-line.ts";
import { clean, count } from "./terminal.ts";

export interface Uploading {
  readonly context: ServerContext;
  readonly source: BatchSource;
  readonly flags: BatchFlags;
  readonly reading: ReadBatchOptions;
  readonly opening: ReadFlags["opening"];
  readonly report: BatchReport;
  readonly signal: AbortSignal;
}

export async function uploadFile(uploading: Uploading): Promise<ExitCode> {
  using line = new StatusLine();
  let so: UploadProgress | undefined;
  const onProgress = (progress: UploadProgress): void => {
    so = progress;
  };
  const answer = await send(uploading, line, onProgress).catch((error: unknown) => {
    if (so === undefined || error !== uploading.signal.reason) throw error;
    return undefined;
  });
  line.clear();
  if (answer === undefined) return letGo(uploading, so);
  return told(uploading, line, answer);
}

/** The server had begun to make runs, and may go on. */
function letGo({ report }: Uploading, so: UploadProgress | undefined): ExitCode {
  if (so !== undefined) report.submitted({ ...so, isWhole: false }, { runs: so.of, bad: 0 }, []);
  return EXIT.runFailed;
}

function told({ report, opening }: Uploading, line: StatusLine, answer: UploadAnswer): ExitCode {
  for (const bad of answer.badLines) report.badLine(line, { kind: "bad", ...bad });
  const checked = { runs: answer.runs, bad: answer.invalid };
  switch (answer.kind) {
    case "refused":
      report.mayGoOn({ ...checked, isCut: answer.isCut });
      return EXIT.usage;
    case "checked":
      report.mayGoOn({ ...checked, isCut: false });
      report.checked(answer.id, checked);
      return EXIT.done;
    case "submitted": {
      const { batch, created, known, conflicts, unserved } = answer;
      report.mayGoOn({ ...checked, isCut: false });
      for (const conflict of answer.conflictLines) report.conflict(line, conflict);
      const submission = { id: batch.id, created, known, conflicts, isWhole: true };
      report.submitted(submission, checked, unserved);
      if (opening.runAt !== undefined && opening.runAt !== batch.runAt) report.otherStart(batch.runAt);
      return conflicts === 0 ? EXIT.done : EXIT.runFailed;
    }
  }
}

function send(
  { context, source, flags, reading, opening, signal }: Uploading,
  line: StatusLine,
  onProgress: (so: UploadProgress) => void,
): Promise<UploadAnswer> {
  const { format, template, defaults, lineBytesMax } = reading;
  const { weight, budget, runAt } = opening;
  return context.runs.uploadBatch(
    {
      read: () => sent(source, line),
      mediaType: format === "csv" ? "text/csv" : "application/x-ndjson",
      query: {
        ...{ id: flags.id, format, template, weight, line_bytes_max: lineBytesMax },
        budget_usd: budget?.usd,
        budget_tokens: budget?.tokens,
        run_at: runAt === undefined ? undefined : new Date(runAt).toISOString(),
        skip_invalid: flags.skipInvalid,
        check: flags.check,
      },
      defaults,
      onProgress: (so) => {
        onProgress(so);
        const { id, of, created, known, conflicts } = so;
        const done = created + known + conflicts;
        line.update(() => `submitting ${id}: ${count(done)} of ${count(of)} runs`);
      },
    },
    signal,
  );
}

async function* sent(source: BatchSource, line: StatusLine): AsyncGenerator<Uint8Array, void, void> {
  let bytes = 0;
  for await (const chunk of source.read()) {
    bytes += chunk.length;
    const share = source.bytes === 0 ? 100 : (100 * bytes) / source.bytes;
    line.update(() => `sending ${clean(source.name)}: ${share.toFixed(0)} %`);
    yield chunk;
  }
}
