/**
 * A list of tasks in one call. A list that can be written into a tool call is small; files of any size go through
 * `baton batch submit` or the API.
 */
import { BatonError } from "@baton/core";
import {
  type BadLine,
  type BatchLine,
  batchIdOf,
  checkBatch,
  type LineConflict,
  readBatchLines,
  type SpecDefaults,
} from "@baton/producer";
import { z } from "zod";
import { runIdArgument } from "../run-view.ts";
import { clipLine } from "../text-slice.ts";
import { defineTool } from "../tool.ts";
import { specArguments } from "./submit-run.ts";

const LINES_MAX = 1_000;
const LINES_TOLD_MAX = 20;
const REASON_CHARS_MAX = 300;
/** A store that is away is waited for so long; what is in then stays, and the same call goes on from there. */
const SUBMIT_MS_MAX = 45_000;

export const batchId = z.string().min(1).max(200);

const { input: _input, metadata: _metadata, ...defaults } = specArguments;

export const submitBatch = defineTool({
  name: "submit_batch",
  title: "Submit a batch of runs",
  description:
    `Hands over up to ${LINES_MAX} tasks at once: each line becomes a run of its own. All lines are checked first; when ` +
    "one is wrong, nothing is submitted and the answer names it. The same lines again are the same batch, and make " +
    "no second run. Follow it with get_batch, and read what came of it with get_batch_results.",
  scope: "submit",
  hints: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  input: z.strictObject({
    lines: z
      .array(
        z.strictObject({
          custom_id: z
            .string()
            .min(1)
            .max(512)
            .describe("Its name in the batch, by which you find it again."),
          body: z
            .record(z.string(), z.unknown())
            .describe("What submit_run takes: at least input, unless defaults say the rest."),
        }),
      )
      .min(1)
      .max(LINES_MAX),
    defaults: z
      .strictObject(defaults)
      .optional()
      .describe("Holds for every line that does not say otherwise."),
    batch_id: batchId
      .optional()
      .describe("Absent: made from the lines, so that the same lines are the same batch."),
    budget: z
      .strictObject({ tokens: z.int().min(1).optional(), usd: z.number().positive().optional() })
      .optional()
      .describe("Of all its runs together; they wait for a person before they go over it."),
  }),
  output: z.object({
    batch_id: batchId,
    created: z.int().describe("Lines that became runs now."),
    known: z.int().describe("Lines that were runs already."),
    conflicts: z
      .array(z.object({ line: z.int(), custom_id: z.string(), run_id: runIdArgument }))
      .describe(
        `Lines whose custom_id names a run with another body, which stays; the first ${LINES_TOLD_MAX}.`,
      ),
    conflicts_total: z.int(),
    next: z.string(),
  }),
  async run({ lines, defaults: shared = {}, batch_id: given, budget }, { runs, stopping }) {
    const file = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(SUBMIT_MS_MAX)]);
    const sha256 = await checkedDigest(file, shared, signal);
    const id = given ?? batchIdOf(sha256, { defaults: shared });
    const conflicts: LineConflict[] = [];
    const onConflict = (conflict: LineConflict): void => {
      if (conflicts.length < LINES_TOLD_MAX) conflicts.push(conflict);
    };
    const submitted = await runs.submitBatch(
      goodLines(file, shared),
      { id, budget, onConflict, lineCount: lines.length },
      signal,
    );
    if (!submitted.isWhole) throw brokenOff(submitted.created + submitted.known, lines.length);
    return {
      batch_id: id,
      created: submitted.created,
      known: submitted.known,
      conflicts: conflicts.map(({ line, customId, runId }) => ({ line, custom_id: customId, run_id: runId })),
      conflicts_total: submitted.conflicts,
      next: `call get_batch with batch_id ${id}`,
    };
  },
});

/** The digest of lines that are all right; throws `invalid_spec` with what is wrong. */
async function checkedDigest(file: Buffer, shared: SpecDefaults, signal: AbortSignal): Promise<string> {
  const bad: BadLine[] = [];
  const check = await checkBatch(
    bytesOf(file),
    { defaults: shared, onBad: (line) => bad.push(line) },
    signal,
  );
  if (bad.length === 0) return check.sha256;
  const told = bad.slice(0, LINES_TOLD_MAX).map(({ line, customId, reason }) => {
    const name = customId === undefined ? "" : ` (${clipLine(customId, 100)})`;
    return `line ${line}${name}: ${clipLine(reason, REASON_CHARS_MAX)}`;
  });
  const more = bad.length > told.length ? `; and ${bad.length - told.length} more` : "";
  throw new BatonError(
    "invalid_spec",
    `nothing was submitted: ${bad.length} of the lines are wrong. ${told.join("; ")}${more}`,
  );
}

async function* goodLines(file: Buffer, shared: SpecDefaults): AsyncGenerator<BatchLine, void, void> {
  for await (const line of readBatchLines(bytesOf(file), { defaults: shared })) {
    if (line.kind === "run") yield line;
  }
}

async function* bytesOf(file: Buffer): AsyncGenerator<Uint8Array, void, void> {
  yield file;
}

function brokenOff(done: number, total: number): BatonError {
  return new BatonError(
    "redis_unreachable",
    `the submission was broken off after ${done} of ${total} lines: call it again with the same arguments, it goes on from there`,
  );
}
