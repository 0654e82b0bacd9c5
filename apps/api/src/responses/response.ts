/** A run as OpenAI's `response`, at any time of its life. */
import { type Item, isTerminal, type Run, type RunSpec, type Usage } from "@baton/core";
import { z } from "zod";
import { callIdsOf } from "../answers/call-ids.ts";
import { extrasOf, extrasShape } from "../answers/completion-extras.ts";
import { OpenAiProblem } from "../answers/openai-problem.ts";
import { type Answer, answerOf } from "../answers/run-ending.ts";
import {
  answerMessage,
  callItems,
  type OutputItem,
  outputItemSchema,
  type Work,
  workOf,
} from "./output-items.ts";
import { itemIdOf, responseIdOf } from "./response-ids.ts";
import { toldLabels } from "./response-labels.ts";
import { toolsOf } from "./response-tools.ts";

const count = z.int().min(0);
const anything = z.record(z.string(), z.unknown());

export const responseSchema = z.object({
  id: z.string().describe("`resp_` and the run's id."),
  object: z.literal("response"),
  /** Seconds since 1970. */
  created_at: z.int(),
  completed_at: z.int().nullable().describe("Null unless it is completed."),
  status: z.enum(["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]),
  error: z
    .object({ code: z.enum(["server_error", "rate_limit_exceeded", "invalid_prompt"]), message: z.string() })
    .nullable()
    .describe("In OpenAI's words; `baton.error` has Baton's own code."),
  incomplete_details: z.object({ reason: z.enum(["max_output_tokens", "content_filter"]) }).nullable(),
  /** The model that spoke last. */
  model: z.string(),
  output: z.array(outputItemSchema),
  /** Of the whole run; absent before its end. */
  usage: z
    .object({
      input_tokens: count,
      input_tokens_details: z.object({ cached_tokens: count, cache_write_tokens: count }),
      output_tokens: count,
      output_tokens_details: z.object({ reasoning_tokens: count }),
      total_tokens: count,
    })
    .optional(),
  previous_response_id: z.string().nullable(),
  instructions: z.string().nullable(),
  max_output_tokens: z.int().nullable(),
  metadata: z.record(z.string(), z.string()),
  user: z.string().optional(),
  safety_identifier: z.string().optional(),
  parallel_tool_calls: z.boolean(),
  reasoning: z.object({ effort: z.string().nullable(), summary: z.null() }),
  temperature: z.number().nullable(),
  text: z.object({ format: anything, verbosity: z.enum(["low", "medium", "high"]).optional() }),
  tool_choice: z.union([z.string(), anything]),
  tools: z.array(anything),
  top_p: z.number().nullable(),
  truncation: z.literal("disabled"),
  /** OpenAI's, for programs of its own. */
  access_programs: z.null(),
  models_used: extrasShape.models_used,
  mcp_server_errors: extrasShape.mcp_server_errors,
  baton: extrasShape.baton,
});
export type Response = z.infer<typeof responseSchema>;

export interface ResponseFacts {
  readonly run: Run;
  readonly spec: RunSpec;
  readonly items: readonly Item[];
  /** The answer, or why there is none; undefined before the end. */
  readonly ending: Answer | OpenAiProblem | undefined;
}

/** What the run ended with. Anything but a problem of the run itself is thrown. */
export function endingOf(
  run: Run,
  spec: RunSpec,
  items: readonly Item[],
  isStopping: boolean,
): Answer | OpenAiProblem {
  try {
    return answerOf(run, spec, items, isStopping);
  } catch (thrown) {
    if (thrown instanceof OpenAiProblem) return thrown;
    throw thrown;
  }
}

/** A run as it is now, with what was done so far. */
export function responseNow(facts: Omit<ResponseFacts, "ending">): Response {
  const { run, spec, items } = facts;
  const ending = isTerminal(run.status) ? endingOf(run, spec, items, false) : undefined;
  return wholeResponse({ ...facts, ending });
}

/** With its whole output. */
export function wholeResponse(facts: ResponseFacts): Response {
  const { run, spec, items, ending } = facts;
  const hasAnswer = ending !== undefined && !(ending instanceof OpenAiProblem);
  const work = workOf(run, spec, items);
  const output = hasAnswer ? outputOf(facts, ending, work, itemIdOf("msg", run.id, 0)) : undefined;
  return responseOf(facts, output ?? [...work.before, ...work.after]);
}

/** `messageId`: of the message that a stream has begun, or will. */
export function outputOf(
  { run, spec, items }: Pick<ResponseFacts, "run" | "spec" | "items">,
  answer: Answer,
  { before, after }: Work,
  messageId: string,
): readonly OutputItem[] {
  const calls = callItems(run, answer, callIdsOf(run.id, spec, items));
  return [...before, ...answerMessage(answer, messageId), ...after, ...calls];
}

export function responseOf(facts: ResponseFacts, output: readonly OutputItem[]): Response {
  const { run, spec, items, ending } = facts;
  const { models_used, mcp_server_errors, baton } = extrasOf(run, spec, items);
  const isOver = isTerminal(run.status);
  const end = endOf(run, ending);
  return {
    id: responseIdOf(run.id),
    object: "response",
    created_at: secondsOf(run.createdAt),
    completed_at: end.status === "completed" && "endedAt" in run ? secondsOf(run.endedAt) : null,
    ...end,
    model: ending === undefined || ending instanceof OpenAiProblem ? run.model : ending.model,
    output: [...output],
    ...(isOver ? { usage: usageOf(run.usage) } : {}),
    previous_response_id: null,
    ...toldLabels(run),
    ...askedOf(spec),
    access_programs: null,
    models_used,
    ...(mcp_server_errors === undefined ? {} : { mcp_server_errors }),
    baton,
  };
}

function endOf(
  run: Run,
  ending: ResponseFacts["ending"],
): Pick<Response, "status" | "error" | "incomplete_details"> {
  const fine = { error: null, incomplete_details: null };
  if (ending === undefined || ending instanceof OpenAiProblem) {
    const error = ending === undefined || run.status !== "failed" ? null : errorOf(ending);
    return { ...fine, status: statusOf(run), error };
  }
  switch (ending.finishReason) {
    case "stop":
    case "tool_calls":
      return { ...fine, status: "completed" };
    case "length":
      return { ...fine, status: "incomplete", incomplete_details: { reason: "max_output_tokens" } };
    case "content_filter":
      return { ...fine, status: "incomplete", incomplete_details: { reason: "content_filter" } };
  }
}

/** OpenAI has a closed list of codes here. */
function errorOf({ status, message }: OpenAiProblem): Response["error"] {
  if (status === 429) return { code: "rate_limit_exceeded", message };
  return { code: status === 400 ? "invalid_prompt" : "server_error", message };
}

function statusOf({ status }: Run): Response["status"] {
  switch (status) {
    case "succeeded":
      return "completed";
    case "running":
    case "waiting":
      return "in_progress";
    case "queued":
    case "failed":
    case "cancelled":
      return status;
  }
}

/** What was asked for, as far as the run keeps it. */
function askedOf(spec: RunSpec) {
  const { settings = {}, response_format: format, tool_choice: choice } = spec;
  return {
    instructions: spec.instructions ?? null,
    max_output_tokens: settings.max_output_tokens ?? null,
    parallel_tool_calls: settings.parallel_tool_calls ?? true,
    reasoning: { effort: settings.effort ?? (settings.thinking === "off" ? "none" : null), summary: null },
    temperature: settings.temperature ?? null,
    text: {
      format:
        format?.type === "json_schema"
          ? { type: format.type, ...format.json_schema }
          : { ...(format ?? { type: "text" }) },
      ...(settings.verbosity === undefined ? {} : { verbosity: settings.verbosity }),
    },
    tool_choice: typeof choice === "object" ? { type: "function", name: choice.name } : (choice ?? "auto"),
    tools: [...toolsOf(spec)],
    top_p: settings.top_p ?? null,
    truncation: "disabled" as const,
  };
}

function usageOf(usage: Usage): NonNullable<Response["usage"]> {
  return {
    input_tokens: usage.inputTokens,
    input_tokens_details: {
      cached_tokens: usage.cachedInputTokens,
      cache_write_tokens: usage.cacheWriteTokens,
    },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: usage.inputTokens + usage.outputTokens,
  };
}

function secondsOf(ms: number): number {
  return Math.floor(ms / 1_000);
}
