/**
 * The lines of a batch become runs, many at a time. Each is named by batch and custom id, so that submitting goes on
 * where it ended, however it ended: what is there already is left alone (R8). While Redis is away it waits; the commands
 * that were under way are sent again.
 */
import {
  type Budget,
  type IdSource,
  modelsOf,
  needsOf,
  newBatchRunId,
  type RunId,
  shardOfKey,
} from "@baton/core";
import type { CreateReply, CreateRun, Ledger } from "@baton/store";
import type { Admission, AdmissionOptions } from "../admission.ts";
import { firstItems } from "../first-items.ts";
import { timeoutMsOf } from "../run-control.ts";
import { forEachAtOnce } from "./at-once.ts";
import { batchKey, checkBatchPlace } from "./batch-key.ts";
import type { BatchLine } from "./batch-line.ts";

export interface SubmitBatchOptions extends AdmissionOptions {
  readonly id: string;
  /** Whose runs they are; its id then begins with `<namespace>/`. */
  readonly namespace?: string | undefined;
  /** Its share of each pool, beside 1 for another batch; of a batch that is there already it is set anew. */
  readonly weight?: number | undefined;
  /** Of all its runs together; of a batch that is there already the bounds that are given are set anew. */
  readonly budget?: Budget | undefined;
  /** Milliseconds since 1970: none of its runs starts before. Holds from the first submission on. */
  readonly runAt?: number | undefined;
  /** How many lines there are, where it is known: whoever bounds them can refuse them all before the first one. */
  readonly lineCount?: number | undefined;
  /** Lines that are on their way to Redis at a time. */
  readonly atOnceMax?: number | undefined;
  readonly onProgress?: ((so: BatchSubmission) => void) | undefined;
  readonly onConflict?: ((conflict: LineConflict) => void) | undefined;
}

export interface BatchSubmission {
  readonly id: string;
  /** Lines that became runs now. */
  readonly created: number;
  /** Lines that were runs already. */
  readonly known: number;
  /** Lines whose custom id names a run with another body in this batch: that run stays as it is. */
  readonly conflicts: number;
  /** All lines are in; false after an abort. */
  readonly isWhole: boolean;
}

export interface LineConflict {
  readonly line: number;
  readonly customId: string;
  /** The run that has the custom id. */
  readonly runId: RunId;
}

export interface SubmitDeps {
  readonly ledger: Pick<
    Ledger,
    | "create"
    | "createUntil"
    | "openBatch"
    | "sealBatch"
    | "batch"
    | "setBatchBudget"
    | "setBatchWeight"
    | "shards"
  >;
  readonly ids: IdSource;
}

/** Enough that the client never waits for Redis, and few enough that a slow one is not flooded. */
const AT_ONCE_MAX = 512;
/** Long lines, together: Redis would answer nobody else while it reads them, and this process would hold them all. */
const CHARS_AT_ONCE_MAX = 4_194_304;
/** Lines between two reports of progress. */
const REPORT_EVERY = 256;

/** `lines` may come from `readBatchLines`, whose bad lines the caller has taken out. */
export async function submitBatch(
  deps: SubmitDeps,
  lines: AsyncIterable<BatchLine>,
  options: SubmitBatchOptions,
  signal: AbortSignal,
): Promise<BatchSubmission> {
  const { ledger } = deps;
  const { id, onProgress, onConflict } = options;
  const batch = await open(deps, options);
  const counts = { created: 0, known: 0, conflicts: 0 };
  const submission = (isWhole: boolean): BatchSubmission => ({ id, ...counts, isWhole });
  const submit = async (line: BatchLine): Promise<void> => {
    const reply = await create(deps, batch, line, options.admission);
    if (reply.kind === "created") counts.created += 1;
    if (reply.kind === "exists") counts.known += 1;
    if (reply.kind === "conflict") {
      counts.conflicts += 1;
      onConflict?.({ line: line.line, customId: line.customId, runId: reply.runId });
    }
    const done = counts.created + counts.known + counts.conflicts;
    if (done % REPORT_EVERY === 0) onProgress?.(submission(false));
  };
  await forEachAtOnce(lines, options.atOnceMax ?? AT_ONCE_MAX, submit, signal, {
    max: CHARS_AT_ONCE_MAX,
    of: ({ chars = 0 }) => chars,
  });
  if (signal.aborted) return submission(false);
  await ledger.sealBatch(id, counts.created + counts.known + counts.conflicts);
  const whole = submission(true);
  onProgress?.(whole);
  return whole;
}

interface OpenedBatch {
  readonly id: string;
  readonly namespace: string | undefined;
  /** Run ids begin with it, so that they sort behind one another as the lines do. */
  readonly openedAt: number;
  /** 0 for at once. */
  readonly runAt: number;
}

async function open({ ledger, ids }: SubmitDeps, options: SubmitBatchOptions): Promise<OpenedBatch> {
  const { id, weight, runAt, budget } = options;
  checkBatchPlace({ id, customId: "-" });
  // A batch may have a weight and a budget before its first run: what is not said anew stays.
  const before = await ledger.batch(id);
  const merged = { ...before.budget, ...budget };
  const opened = await ledger.openBatch({ id, weight: weight ?? before.weight, runAt, budget: merged });
  if (opened === "known" && weight !== undefined) await ledger.setBatchWeight(id, weight);
  if (opened === "known" && budget !== undefined) await ledger.setBatchBudget(id, merged);
  const batch = await ledger.batch(id);
  return {
    id,
    namespace: options.namespace,
    openedAt: batch.createdAt ?? ids.now(),
    runAt: batch.runAt ?? 0,
  };
}

function create(
  { ledger, ids }: SubmitDeps,
  { id, namespace, openedAt, runAt }: OpenedBatch,
  { customId, line, spec }: BatchLine,
  admission: Admission | undefined,
): Promise<CreateReply> {
  const now = ids.now();
  const startsAt = Math.max(runAt, spec.run_at === undefined ? 0 : Date.parse(spec.run_at));
  const idempotencyKey = batchKey({ id, customId });
  const run: CreateRun = {
    id: newBatchRunId(shardOfKey(idempotencyKey, ledger.shards), { at: openedAt, line }, ids),
    spec,
    items: firstItems(spec, now),
    pool: modelsOf(spec)[0].model,
    needs: needsOf(spec),
    delayMs: Math.max(0, startsAt - now),
    timeoutMs: timeoutMsOf(spec),
    idempotencyKey,
    batch: { id, customId },
    namespace,
    admit: true,
  };
  return admission === undefined
    ? ledger.create(run)
    : admission.admit((until) => ledger.createUntil(run, until));
}
