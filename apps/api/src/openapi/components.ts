/** The schemas that have names in the document, and what their fields are where the names do not say it. */
import {
  budgetSchema,
  messageSchema,
  modelSettingsSchema,
  responseFormatSchema,
  runSpecSchema,
  wireEventSchema,
  wireItemSchema,
  wirePhaseSchema,
  wireRunSchema,
  wireUsageSchema,
} from "@baton/core";
import {
  runInputSchema,
  wireBatchSchema,
  wirePoolPatchSchema,
  wirePoolSchema,
  wireWorkerSchema,
} from "@baton/producer";
import { z } from "zod";
import { openAiErrorSchema } from "../answers/openai-problem.ts";
import { problemSchema } from "../problem.ts";
import { batchErrorSchema, batchResultSchema } from "../routes/batches-results.ts";
import { runViewSchema, submittedRunSchema } from "../routes/run-view.ts";

/**
 * Names the schemas. Descriptions live in zod's global registry, and so must the names: the type provider reads one
 * registry. The names are unique in this process, because nobody else gives any.
 */
export function nameComponents(): void {
  for (const [id, schema] of Object.entries(COMPONENTS)) {
    z.globalRegistry.add(schema, { ...z.globalRegistry.get(schema), ...RULES[id], id });
  }
  for (const [field, description] of Object.entries(SPEC_FIELDS)) {
    // The keys of the table are checked against the shape below.
    const schema = runSpecSchema.shape[field as keyof typeof SPEC_FIELDS];
    z.globalRegistry.add(schema, { ...z.globalRegistry.get(schema), description });
  }
}

const COMPONENTS: Readonly<Record<string, z.ZodType>> = {
  Problem: problemSchema,
  OpenAiProblem: openAiErrorSchema,
  RunSpec: runSpecSchema,
  // As it stands in a run: the schema itself is what RunSpec is refined from, and would be put in its place.
  StoredSpec: runViewSchema.shape.spec,
  Message: messageSchema,
  ModelSettings: modelSettingsSchema,
  ResponseFormat: responseFormatSchema,
  Budget: budgetSchema,
  Run: wireRunSchema,
  RunDetail: runViewSchema,
  SubmittedRun: submittedRunSchema,
  Phase: wirePhaseSchema,
  Usage: wireUsageSchema,
  Item: wireItemSchema,
  RunAnswer: runInputSchema,
  Pool: wirePoolSchema,
  PoolPatch: wirePoolPatchSchema,
  Worker: wireWorkerSchema,
  Event: wireEventSchema,
  Batch: wireBatchSchema,
  BatchResult: batchResultSchema,
  BatchError: batchErrorSchema,
};

/** What a schema refines by code, in the words of JSON Schema. */
const RULES: Readonly<Record<string, object>> = {
  RunSpec: { allOf: [oneOf("input", "messages"), oneOf("model", "phases")] },
  RunAnswer: { minProperties: 1 },
  PoolPatch: { minProperties: 1 },
};

function oneOf(...names: readonly string[]): object {
  return { oneOf: names.map((name) => ({ required: [name] })) };
}

const SPEC_FIELDS = {
  input: "What to do: text, or content parts. Either this or `messages`.",
  messages:
    "A conversation so far, in the form of chat completions; the last message is not the assistant's. Either this or `input`.",
  instructions: "System instructions, for each phase.",
  model:
    "A model id, or a list, in which none stands twice: the first coordinates, and may hand off to any other.",
  phases: "A pipeline instead of `model`: each phase hands to the next.",
  settings: "For each model call; what a model does not take is left out.",
  mcp_servers: "Names of configured MCP servers, or https URLs.",
  tools: "Names of configured tools, or the caller's own functions.",
  client_tools:
    "What a call of the caller's own function does. `wait`: the run waits for the result. `end`: it succeeds with the call open.",
  policy: "Name of a configured policy, asked before each turn.",
  response_format: "Asks for JSON: the parsed output is `output_parsed` of the run.",
  max_turns: "Model calls at most.",
  max_handoffs: "Handoffs at most.",
  budget: "Checked before each model call; at a bound the run waits, and can be resumed with more.",
  timeout: "Seconds for the whole run, from its submission.",
  phase_timeout: "Seconds of work for each phase.",
  call_timeout: "Seconds for each model call.",
  fallback: "Who takes over when a model fails for good.",
  handoff: "What the next model sees: the `full` conversation, or the `brief` alone.",
  priority: "1 is first; absent: first come, first served, ahead of all numbers.",
  run_at: "The run is not started before.",
  metadata: "Anything that helps to find the run.",
} as const satisfies Partial<Record<keyof typeof runSpecSchema.shape, string>>;
