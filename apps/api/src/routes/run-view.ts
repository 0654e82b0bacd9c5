/** A run as the API answers it: its record, what came out of it, and why it does not move. */
import {
  resultOf,
  runResultSchema,
  storedSpecSchema,
  type WireRun,
  wireRun,
  wireRunSchema,
} from "@baton/core";
import { type RunService, readReplies } from "@baton/producer";
import { z } from "zod";

export const runViewSchema = wireRunSchema.extend({
  final_output: runResultSchema.shape.final_output.describe(
    "The last text of a run that succeeded; null before.",
  ),
  output_parsed: runResultSchema.shape.output_parsed.describe(
    "The same as JSON, when the spec asked for JSON and the model wrote it.",
  ),
  models_used: runResultSchema.shape.models_used.describe(
    "The models that really ran, in order of first appearance.",
  ),
  tools_called: runResultSchema.shape.tools_called.describe("Names of tools, in order of first call."),
  notice: z.string().optional().describe("Why the run does not move, for people, and what helps."),
  spec: storedSpecSchema.describe("What was submitted, without the input: the conversation begins with it."),
});
export type RunView = z.infer<typeof runViewSchema>;

export const submittedRunSchema = runViewSchema.extend({
  created: z.boolean().describe("False when the run was there already, by its idempotency key."),
});

type Found = Awaited<ReturnType<RunService["get"]>>;

/** What can be told without the conversation. All of an answer follows from it: the conversation only ever grows. */
export interface RunFacts extends Found {
  readonly wire: WireRun;
  readonly notice: string | undefined;
}

export async function runFacts(runs: RunService, found: Found): Promise<RunFacts> {
  return { ...found, wire: wireRun(found.run), notice: await runs.notice(found.run) };
}

export async function runView(runs: RunService, { run, spec, wire, notice }: RunFacts): Promise<RunView> {
  // Without a reply there is neither an output nor a tool call, and the input need not be read.
  const hasReplies = run.turns > 0 || run.forkedFrom !== undefined || run.status === "succeeded";
  const items = hasReplies ? await readReplies(runs, run) : [];
  const format = spec.response_format?.type;
  const result = resultOf(run, items, { parseJson: format === "json_object" || format === "json_schema" });
  const { final_output, output_parsed, models_used, tools_called } = result;
  return { ...wire, final_output, output_parsed, models_used, tools_called, notice, spec };
}

export async function viewNow(runs: RunService, found: Found): Promise<RunView> {
  return runView(runs, await runFacts(runs, found));
}
