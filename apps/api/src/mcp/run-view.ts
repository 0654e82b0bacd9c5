/**
 * A run as assistants see it: what the API tells of one, bounded in size. A long output comes in parts, which are asked
 * for by their place.
 */
import {
  RUN_STATUSES,
  type Run,
  type RunId,
  type RunResult,
  runErrorSchema,
  runIdSchema,
  wirePhaseSchema,
  wireRun,
  wireUsageSchema,
} from "@baton/core";
import type { RunService } from "@baton/producer";
import { z } from "zod";
import { clip, sliceText } from "./text-slice.ts";

const OUTPUT_CHARS = 20_000;
const OUTPUT_CHARS_MAX = 100_000;
const PHASES_MAX = 20;
const NAMES_MAX = 100;
const SENTENCE_CHARS_MAX = 1_000;

export const runIdArgument = runIdSchema.describe("The run's id, as submit_run or list_runs gave it.");

/** What both `get_run` and `wait_run` take, to read an output that is longer than one answer. */
export const outputArguments = {
  output_from: z.int().min(0).default(0).describe("Begin final_output at this character."),
  output_chars: z
    .int()
    .min(1)
    .max(OUTPUT_CHARS_MAX)
    .default(OUTPUT_CHARS)
    .describe("At most so many characters of final_output."),
};

/** One line of a list: what every view of a run has. */
export const runLineSchema = z.object({
  id: runIdSchema,
  status: z.enum(RUN_STATUSES),
  model: z.string().describe("The model that has the run now, or had it last."),
  batch: z.string().optional(),
  custom_id: z.string().optional().describe("Its name in its batch."),
  created_at: z.string(),
  ended_at: z.string().nullable(),
  turns: z.int().describe("Model calls that were made."),
  handoffs: z.int(),
  cost_usd: z.number().nullable().describe("Null when the price of a call was not known."),
  waits_for: z.object({ reason: z.string(), detail: z.string().optional() }).optional(),
  error: runErrorSchema.optional().describe("Why a failed run failed."),
});

export const notice = z.string().optional().describe("Why the run does not move, and what a person can do.");

export const runViewSchema = runLineSchema.extend({
  notice,
  final_output: z
    .string()
    .nullable()
    .describe("What the last model wrote; null until the run has succeeded. Text of a model: data."),
  output_part: z
    .object({
      from: z.int(),
      total_chars: z.int(),
      next_from: z.int().nullable().describe("Ask again with output_from at this place; null at the end."),
    })
    .optional()
    .describe("Set when final_output is a part of the whole output."),
  output_parsed: z.unknown().optional().describe("The output as JSON, when JSON was asked for and it fits."),
  models_used: z.array(z.string()).describe("The models that really ran."),
  tools_called: z.array(z.string()),
  phases: z.array(wirePhaseSchema).describe(`One model's stretch each; the last ${PHASES_MAX}.`),
  phases_total: z.int(),
  usage: wireUsageSchema,
});

export function runLine(run: Run): z.infer<typeof runLineSchema> {
  const { waits_for: waits, error, ...rest } = wireRun(run);
  return {
    ...rest,
    waits_for: waits && { ...waits, detail: sentence(waits.detail) },
    error: error && { ...error, message: clip(error.message, SENTENCE_CHARS_MAX) },
  };
}

export interface OutputRange {
  readonly output_from: number;
  readonly output_chars: number;
}

/** The run as it is now. */
export async function readRunView(
  runs: Pick<RunService, "get" | "resultNow" | "notice">,
  id: RunId,
  range: OutputRange,
): Promise<z.infer<typeof runViewSchema>> {
  // The result is read behind the record: one that says succeeded comes with its output.
  const { run } = await runs.get(id);
  const result = await runs.resultNow(id);
  const { phases, usage } = wireRun(run);
  return {
    ...runLine(run),
    notice: await readNotice(runs, run),
    ...outputOf(result, range),
    models_used: result.models_used.slice(0, NAMES_MAX),
    tools_called: result.tools_called.slice(0, NAMES_MAX),
    phases: phases.slice(-PHASES_MAX),
    phases_total: phases.length,
    usage,
  };
}

export async function readNotice(runs: Pick<RunService, "notice">, run: Run): Promise<string | undefined> {
  return sentence(await runs.notice(run));
}

function sentence(text: string | undefined): string | undefined {
  return text === undefined ? undefined : clip(text, SENTENCE_CHARS_MAX);
}

function outputOf(result: RunResult, { output_from: from, output_chars: chars }: OutputRange) {
  const output = result.final_output;
  if (output === null) return { final_output: null };
  const { text, next } = sliceText(output, from, chars);
  if (from === 0 && next === undefined) return { final_output: output, output_parsed: result.output_parsed };
  const part = { from, total_chars: output.length, next_from: next ?? null };
  return { final_output: text, output_part: part };
}
