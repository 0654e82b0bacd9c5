/** What an answer tells of its run: usage in OpenAI's words, Dedalus' fields, and Baton's own. */
import {
  type Item,
  isReply,
  type Run,
  type RunSpec,
  textOf,
  type Usage,
  wirePhase,
  wirePhaseSchema,
} from "@baton/core";
import { z } from "zod";
import { clientToolsOf, ownItems } from "./run-ending.ts";

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
      server_name: z.string().describe("Empty when more than one server was named: tool names are unique."),
      tool_name: z.string(),
      arguments: z.record(z.string(), z.unknown()),
      is_error: z.boolean(),
      result: z.string(),
    }),
  ),
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
  const results = toolResults(spec, ownItems(run, items));
  return {
    mcp_tool_results: results,
    tools_executed: [...new Set(results.map(({ tool_name }) => tool_name))],
    turns_consumed: run.turns,
    models_used: [...new Set(run.phases.filter(({ turns }) => turns > 0).map(({ model }) => model))],
    baton: {
      run_id: run.id,
      status: run.status,
      cost_usd: run.costUsd,
      handoffs: run.handoffs,
      phases: run.phases.map(wirePhase),
    },
  };
}

function toolResults(spec: RunSpec, items: readonly Item[]): Extras["mcp_tool_results"] {
  const clientTools = clientToolsOf(spec);
  const parts = items.flatMap((item) => (isReply(item) ? item.parts : []));
  const calls = new Map(parts.flatMap((part) => (part.type === "tool_call" ? [[part.callId, part]] : [])));
  const servers = spec.mcp_servers ?? [];
  const [server = ""] = servers.length === 1 ? servers : [];
  return items.flatMap((item) =>
    item.parts.flatMap((part) => {
      if (part.type !== "tool_result" || clientTools.has(part.name)) return [];
      const call = calls.get(part.callId);
      // A result without a call of this run was submitted with it; a transfer is no tool to its reader.
      if (call === undefined || part.name.startsWith("transfer_to_")) return [];
      const { arguments: args } = call;
      return [
        {
          server_name: server,
          tool_name: part.name,
          arguments: args.kind === "object" ? args.value : {},
          is_error: part.isError,
          result: textOf({ parts: part.content }),
        },
      ];
    }),
  );
}
