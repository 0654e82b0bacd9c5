/**
 * A batch file comes in: it is checked while it is kept, then submitted from where it was kept. Nothing of it is submitted
 * before all of it was checked. Until then a client that leaves has changed nothing; from then on the submission goes on
 * without it, and ends early only with the API. In both cases sending the same file again is right: what is in stays in.
 */
import { BatonError, type ModelId, type RunSpec } from "@baton/core";
import {
  type BadLine,
  type BatchCheck,
  type BatchLine,
  type BatchSubmission,
  batchIdOf,
  checkBatch,
  hashing,
  type LineConflict,
  type ReadBatchOptions,
  type RunService,
  readBatchLines,
  wireBatch,
} from "@baton/producer";
import type { FileUrlGuard } from "../hardening/file-urls.ts";
import type { ActAnswer, Live } from "../ndjson/answer-act.ts";
import { HttpProblem, invalidRequest } from "../problem.ts";
import type { ModelCheck } from "./model-check.ts";
import { openSpool, type Spool, type SpoolPlace } from "./spool.ts";
import type { UploadOptions } from "./upload-options.ts";

/** Bad lines and conflicts in an answer; they are counted beyond. */
const TOLD_MAX = 100;
const REASON_CHARS = 300;

export interface BatchUpload {
  readonly runs: RunService;
  readonly source: AsyncIterable<Uint8Array>;
  readonly options: UploadOptions;
  readonly models: ModelCheck;
  readonly files: FileUrlGuard | undefined;
  readonly place: SpoolPlace;
  readonly bytesMax: number;
  readonly live: Live;
  /** Aborted when the API stops. */
  readonly stopping: AbortSignal;
}

export interface WireBadLine {
  readonly line: number;
  readonly custom_id?: string;
  readonly reason: string;
}

interface Checked extends BatchCheck {
  readonly id: string;
  readonly badLines: readonly WireBadLine[];
}

export async function receiveBatch(upload: BatchUpload): Promise<ActAnswer> {
  const { options, models, files, place, bytesMax } = upload;
  await using spool = await openSpool(place, bytesMax);
  const reading = {
    ...options.reading,
    check: (spec: RunSpec) => models.check(spec) ?? (files && filesProblem(spec, files)),
  };
  const checked = await check(upload, spool, reading);
  if (checked.runs + checked.bad === 0) {
    throw invalidRequest("body", "the batch file is empty", undefined);
  }
  if (checked.bad > 0 && !(options.skipInvalid && !checked.isCut && checked.runs > 0))
    return refusal(checked);
  if (options.isCheck) {
    const { id, runs, bad, badLines } = checked;
    const body = { id, runs, invalid: bad, bad_lines: badLines, unserved_models: models.unserved() };
    return { status: 200, body };
  }
  // Awaited here: the file is gone when this function returns.
  return await submit(upload, spool, reading, checked);
}

function filesProblem(spec: RunSpec, files: FileUrlGuard): undefined | Promise<string | undefined> {
  // Most have no parts, and nothing to wait for.
  if (typeof spec.input === "string") return undefined;
  return files.check(spec).then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof BatonError) return error.message;
      throw error;
    },
  );
}

async function check(upload: BatchUpload, spool: Spool, reading: ReadBatchOptions): Promise<Checked> {
  const { source, options, stopping } = upload;
  const badLines: WireBadLine[] = [];
  const onBad = (line: BadLine): void => {
    if (badLines.length < TOLD_MAX) badLines.push(wireBadLine(line));
  };
  try {
    const checked = await checkBatch(spool.keep(source), { ...reading, onBad }, stopping);
    return { ...checked, id: options.id ?? batchIdOf(checked.sha256, options.reading), badLines };
  } catch (error) {
    if (stopping.aborted) throw stopped("nothing of it was submitted");
    throw error;
  }
}

function wireBadLine({ line, customId, reason }: BadLine): WireBadLine {
  const cut = reason.length > REASON_CHARS ? `${reason.slice(0, REASON_CHARS)}…` : reason;
  return { line, ...(customId === undefined ? {} : { custom_id: customId }), reason: cut };
}

function refusal({ runs, bad, isCut, badLines }: Checked): ActAnswer {
  const way = isCut || runs === 0 ? "" : "; skip_invalid=true submits the others";
  const message = `${bad} of ${bad + runs} lines cannot be submitted, so nothing was${way}`;
  const details = { runs, invalid: bad, is_cut: isCut, bad_lines: badLines };
  return { status: 400, body: { error: { code: "invalid_spec", message, details } } };
}

async function submit(
  { runs, options, models, live, stopping }: BatchUpload,
  spool: Spool,
  reading: ReadBatchOptions,
  checked: Checked,
): Promise<ActAnswer> {
  const { id } = checked;
  let so: BatchSubmission = { id, created: 0, known: 0, conflicts: 0, isWhole: false };
  const conflicts: object[] = [];
  live.begin(() => ({ id, of: checked.runs, ...countsOf(so) }));
  const submission = await runs.submitBatch(
    sameLines(spool, reading, checked),
    {
      ...{ id, ...options.opening, lineCount: checked.runs },
      onProgress: (progress) => {
        so = progress;
      },
      onConflict: ({ line, customId, runId }: LineConflict) => {
        if (conflicts.length < TOLD_MAX) conflicts.push({ line, custom_id: customId, run: runId });
      },
    },
    stopping,
  );
  if (!submission.isWhole) throw stopped("what is in stays in");
  const unserved: readonly ModelId[] = models.unserved();
  const told = { invalid: checked.bad, bad_lines: checked.badLines, conflict_lines: conflicts };
  const batch = wireBatch(await runs.batchStatus(id));
  return {
    status: 202,
    body: { ...batch, submission: { ...countsOf(submission), ...told, unserved_models: unserved } },
  };
}

function countsOf({ created, known, conflicts }: BatchSubmission) {
  return { created, known, conflicts };
}

/** The lines that were checked. Other bytes than those come from a broken disk: then the batch is not taken for whole. */
async function* sameLines(
  spool: Spool,
  reading: ReadBatchOptions,
  { sha256 }: Checked,
): AsyncGenerator<BatchLine, void, void> {
  // An abort ends the loop that takes the lines; here it would be an error.
  const hashed = hashing(spool.read(), new AbortController().signal);
  for await (const line of readBatchLines(hashed.source, reading)) {
    if (line.kind === "run") yield line;
  }
  if (hashed.end().sha256 !== sha256) throw new Error("an upload was read back with other bytes");
}

function stopped(so: string): HttpProblem {
  return new HttpProblem("shutting_down", 503, `the API stops, ${so}: send the same file again`, {
    retryAfter: 2,
  });
}
