/**
 * The settings of a call as Anthropic takes them. Since API version 2026-10-21 there is no `temperature`,
 * `top_p` or `top_k`; thinking and effort differ by model (capabilities.ts). What is left out is reported.
 */
import type Anthropic from "@anthropic-ai/sdk";
import { transformJSONSchema } from "@anthropic-ai/sdk/lib/transform-json-schema";
import type { ModelRequest, ModelSettings } from "@baton/core";
import { type ClaudeCapabilities, type ClaudeEffort, effortFor } from "../capabilities.ts";
import type { Drop } from "../drop-list.ts";
import { verbosityFor } from "../verbosity.ts";

/** Enough for a long answer, little enough for every rate limit; a thinking budget comes on top. */
const OUTPUT_TOKENS_DEFAULT = 32_000;
const BUDGET_TOKENS_MIN = 1_024;

export interface TokenSettings {
  readonly maxTokens: number;
  readonly thinking: Anthropic.ThinkingConfigParam | undefined;
}

/** Settings that this API knows in no form. */
export function dropUnknown(settings: ModelSettings, drop: Drop): void {
  if (settings.temperature !== undefined) drop("temperature", "Anthropic's API no longer takes it");
  if (settings.top_p !== undefined) drop("top_p", "Anthropic's API no longer takes it");
  if (settings.seed !== undefined) drop("seed", "Anthropic's API has none");
  verbosityFor(settings, false, drop);
}

export function effortOf(
  settings: ModelSettings,
  takes: ClaudeCapabilities,
  drop: Drop,
): ClaudeEffort | undefined {
  if (settings.effort === undefined) return undefined;
  const effort = effortFor(settings.effort, takes.efforts);
  if (effort === undefined) drop("effort", "this model does not take one");
  return effort;
}

/** `max_tokens` and `thinking` together, since a budget has to fit in. */
export function tokensOf(
  settings: ModelSettings,
  takes: ClaudeCapabilities,
  effort: ClaudeEffort | undefined,
  drop: Drop,
): TokenSettings {
  const asked = settings.max_output_tokens;
  if (asked !== undefined && asked > takes.outputTokensMax && takes.known) {
    drop("max_output_tokens", `this model writes at most ${takes.outputTokensMax} tokens`);
  }
  const most = takes.known ? takes.outputTokensMax : (asked ?? takes.outputTokensMax);
  const wished = settings.thinking;
  if (typeof wished === "object" && (takes.thinking === "budget" || takes.thinking === "both")) {
    return budgetOf(wished.budget_tokens, asked, most, drop);
  }
  const maxTokens = Math.min(asked ?? OUTPUT_TOKENS_DEFAULT, most);
  return { maxTokens, thinking: thinkingOf(wished, takes, effort, drop) };
}

function budgetOf(budget: number, asked: number | undefined, most: number, drop: Drop): TokenSettings {
  const maxTokens = Math.min(asked ?? budget + OUTPUT_TOKENS_DEFAULT, most);
  const fitting = Math.min(budget, maxTokens - 1);
  if (fitting < BUDGET_TOKENS_MIN) {
    drop("thinking", `max_output_tokens leaves no room for the least budget, ${BUDGET_TOKENS_MIN} tokens`);
    return { maxTokens, thinking: undefined };
  }
  if (fitting < budget) drop("thinking.budget_tokens", `cut to ${fitting}, to fit into max_output_tokens`);
  return { maxTokens, thinking: { type: "enabled", budget_tokens: fitting } };
}

function thinkingOf(
  wished: ModelSettings["thinking"],
  takes: ClaudeCapabilities,
  effort: ClaudeEffort | undefined,
  drop: Drop,
): Anthropic.ThinkingConfigParam | undefined {
  if (wished === undefined) return undefined;
  if (wished === "off") return offOf(takes, effort, drop);
  if (takes.thinking === "none") {
    drop("thinking", "this model does not think");
    return undefined;
  }
  if (takes.thinking === "budget") {
    drop("thinking", "this model takes a budget, not adaptive thinking: set thinking.budget_tokens");
    return undefined;
  }
  if (wished !== "adaptive") {
    drop("thinking.budget_tokens", "this model takes no budget; it thinks as it sees fit");
  }
  // Thinking was asked for, so it is shown, also where the model would leave its text out.
  return takes.thinkingHidden ? { type: "adaptive", display: "summarized" } : { type: "adaptive" };
}

function offOf(
  takes: ClaudeCapabilities,
  effort: ClaudeEffort | undefined,
  drop: Drop,
): Anthropic.ThinkingConfigParam | undefined {
  if (takes.thinksUnasked === "no") return undefined;
  if (takes.thinksUnasked === "always") {
    drop("thinking", "this model always thinks");
    return undefined;
  }
  if (takes.offNeedsEffortHigh && (effort === "xhigh" || effort === "max")) {
    drop("thinking", `this model always thinks at effort ${effort}`);
    return undefined;
  }
  return { type: takes.thinkingOff };
}

export function stopsOf(settings: ModelSettings, drop: Drop): string[] | undefined {
  const stops = settings.stop?.filter((stop) => stop.trim() !== "") ?? [];
  if (stops.length < (settings.stop?.length ?? 0))
    drop("stop", "a stop sequence cannot be white space alone");
  return stops.length === 0 ? undefined : stops;
}

export interface FormatSettings {
  readonly format: Anthropic.JSONOutputFormat | undefined;
  /** Said in the system text, where the API has no parameter for it. */
  readonly instruction: string | undefined;
}

export function formatOf(
  format: ModelRequest["responseFormat"],
  takes: ClaudeCapabilities,
  drop: Drop,
): FormatSettings {
  if (format === undefined || format.type === "text") return { format: undefined, instruction: undefined };
  if (format.type === "json_object") {
    return { format: undefined, instruction: "Answer with one JSON object and nothing else." };
  }
  const { schema } = format.json_schema;
  if (takes.structuredOutput) {
    return { format: { type: "json_schema", schema: strictSchema(schema) }, instruction: undefined };
  }
  drop("response_format", "this model takes no schema: it is told in the instructions instead");
  return {
    format: undefined,
    instruction: `Answer with JSON that fits this schema and nothing else: ${JSON.stringify(schema)}`,
  };
}

/** The SDK knows which keywords the API takes; what it cannot rewrite is left for the API to judge. */
function strictSchema(schema: Record<string, unknown>): Record<string, unknown> {
  try {
    return transformJSONSchema(schema);
  } catch {
    return schema;
  }
}
