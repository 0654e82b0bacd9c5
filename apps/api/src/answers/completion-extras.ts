/** What an answer tells of its run: usage in OpenAI's words, Dedalus' fields, and Baton's own. */
import {
  type Item,
  type Run,
  type RunSpec,
  textOf,
  type Usage,
  wirePhase,
  wirePhaseSchema,
} from "@baton/core";
import { z } from "zod";
import { ownItems } from "./run-ending.ts";
import { toolRunsOf } from "./tool-runs.ts";

const count = z.int().min(0);

export const completionUsageSchema = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: z.object({ cached_tokens: count }),
  completion_tokens_details: z.object({ reasoning_tokens: count }),
});
export type CompletionUsage = z.infer<typeof completionUsageSchema>;

export const extrasShape = {
  /** Calls that ran here, with their results. */
  mcp_tool_results: z.array(
    z.object({
      server_name: z.string().describe("Empty for a function of the configuration, which no server has."),
      tool_name: z.string(),
      arguments: z.record(z.string(), z.unknown()),
      is_error: z.boolean(),
      result: z.string(),
    }),
  ),
  mcp_server_errors: z
    .record(z.string(), z.object({ message: z.string() }))
    .optional()
    .describe("Servers that could not be reached, by their names: a model answered without their tools."),
  /** Names of the tools that ran here, in the order of their first call. */
  tools_executed: z.array(z.string()),
  /** Model calls that the run took. */
  turns_consumed: count,
  /** The models that really ran, in order of first appearance. */
  models_used: z.array(z.string()),
  baton: z.object({
    run_id: z.string(),
    status: z.string(),
    /** USD; null while a price is unknown. */
    cost_usd: z.number().nullable(),
    handoffs: count,
    phases: z.array(wirePhaseSchema),
    error: z
      .object({ code: z.string(), message: z.string() })
      .optional()
      .describe("Of a run that counts as failed."),
  }),
};
const extrasSchema = z.object(extrasShape);
export type Extras = z.infer<typeof extrasSchema>;

export function completionUsage(usage: Usage): CompletionUsage {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedInputTokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  };
}

export function extrasOf(run: Run, spec: RunSpec, items: readonly Item[]): Extras {
  const results = toolRunsOf(run, spec, items).map(({ call, result, server }) => ({
    server_name: server,
    tool_name: result.name,
    arguments: call.arguments.kind === "object" ? call.arguments.value : {},
    is_error: result.isError,
    result: textOf({ parts: result.content }),
  }));
  const mcp_server_errors = serverErrors(ownItems(run, items));
  return {
    mcp_tool_results: results,
    ...(mcp_server_errors === undefined ? {} : { mcp_server_errors }),
    tools_executed: [...new Set(results.map(({ tool_name }) => tool_name))],
    turns_consumed: run.turns,
    models_used: [...new Set(run.phases.filter(({ turns }) => turns > 0).map(({ model }) => model))],
    baton: {
      run_id: run.id,
      status: run.status,
      cost_usd: run.costUsd,
      handoffs: run.handoffs,
      phases: run.phases.map(wirePhase),
      ...(run.status === "failed" ? { error: run.error } : {}),
    },
  };
}

/** By the name of each server, so that one which was down for several turns is told once. */
function serverErrors(items: readonly Item[]): Extras["mcp_server_errors"] {
  const errors = items.flatMap(({ serverErrors = [] }) => serverErrors);
  if (errors.length === 0) return undefined;
  return Object.fromEntries(errors.map(({ server, message }) => [server, { message }]));
}
