/** The result of a run in the wire's snake_case, as the API, the CLI's `--json` and batch files carry it. */
import { z } from "zod";
import type { Item } from "./item.ts";
import { textOf } from "./item.ts";
import type { Phase, Run } from "./run.ts";
import { isTerminal } from "./state.ts";
import type { Usage } from "./usage.ts";

export const wireUsageSchema = z.object({
  input_tokens: z.int(),
  cached_input_tokens: z.int(),
  cache_write_tokens: z.int(),
  output_tokens: z.int(),
  reasoning_tokens: z.int(),
  total_tokens: z.int(),
});

export const wirePhaseSchema = z.object({
  seq: z.int(),
  name: z.string().optional(),
  model: z.string(),
  status: z.string(),
  attempts: z.int(),
  turns: z.int(),
  started_at: z.string().nullable(),
  ended_at: z.string().nullable(),
  usage: wireUsageSchema,
  /** Null when the price of a call was not known. */
  cost_usd: z.number().nullable(),
});

export const runResultSchema = z.object({
  id: z.string(),
  custom_id: z.string().optional(),
  status: z.string(),
  final_output: z.string().nullable(),
  output_parsed: z.unknown().optional(),
  /** The models that really ran, in order of first appearance. */
  models_used: z.array(z.string()),
  phases: z.array(wirePhaseSchema),
  /** Names of the tools called, in order of first call; handoffs are not among them. */
  tools_called: z.array(z.string()),
  usage: wireUsageSchema,
  cost_usd: z.number().nullable(),
  /** What a waiting run waits for. */
  waits_for: z.object({ reason: z.string(), detail: z.string().optional() }).optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});
export type RunResult = z.infer<typeof runResultSchema>;

export interface ResultOptions {
  /** Whether the spec asked for JSON: then `output_parsed` is the parsed text. */
  readonly parseJson?: boolean;
}

/** The result of `run`, told from its record and its whole conversation. */
export function resultOf(run: Run, items: readonly Item[], options: ResultOptions = {}): RunResult {
  const output = run.status === "succeeded" ? finalOutput(items) : null;
  const parsed = options.parseJson && output !== null ? parseJson(output) : undefined;
  return {
    id: run.id,
    ...(run.customId === undefined ? {} : { custom_id: run.customId }),
    status: run.status,
    final_output: output,
    ...(parsed === undefined ? {} : { output_parsed: parsed }),
    models_used: [...new Set(run.phases.filter((phase) => phase.turns > 0).map((phase) => phase.model))],
    phases: run.phases.map(wirePhase),
    tools_called: toolsCalled(items),
    usage: wireUsage(run.usage),
    cost_usd: run.costUsd,
    ...waitOf(run),
    ...(run.status === "failed" ? { error: run.error } : {}),
  };
}

function waitOf(run: Run): Pick<RunResult, "waits_for"> {
  if (run.status !== "waiting") return {};
  const { reason, detail } = run;
  return { waits_for: { reason, ...(detail === undefined ? {} : { detail }) } };
}

/** The text of the last assistant item that has text. */
export function finalOutput(items: readonly Item[]): string {
  const last = items.findLast((item) => item.role === "assistant" && textOf(item) !== "");
  return last === undefined ? "" : textOf(last);
}

/** Whether nothing more will come of the run by itself. */
export function isSettled(run: Run): boolean {
  return isTerminal(run.status);
}

function toolsCalled(items: readonly Item[]): string[] {
  const names = new Set<string>();
  for (const item of items) {
    // A reply has an origin; without one, the assistant's item was submitted with the run.
    if (item.role !== "assistant" || item.origin === undefined) continue;
    for (const part of item.parts) if (part.type === "tool_call") names.add(part.name);
  }
  return [...names].filter((name) => !name.startsWith("transfer_to_"));
}

export function wirePhase(phase: Phase): z.infer<typeof wirePhaseSchema> {
  return {
    seq: phase.seq,
    ...(phase.name === undefined ? {} : { name: phase.name }),
    model: phase.model,
    status: phase.status,
    attempts: phase.attempts,
    turns: phase.turns,
    started_at: isoOf(phase.startedAt),
    ended_at: isoOf(phase.endedAt),
    usage: wireUsage(phase.usage),
    cost_usd: phase.costUsd,
  };
}

export function wireUsage(usage: Usage): z.infer<typeof wireUsageSchema> {
  return {
    input_tokens: usage.inputTokens,
    cached_input_tokens: usage.cachedInputTokens,
    cache_write_tokens: usage.cacheWriteTokens,
    output_tokens: usage.outputTokens,
    reasoning_tokens: usage.reasoningTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
  };
}

export function usageOfWire(wire: z.infer<typeof wireUsageSchema>): Usage {
  return {
    inputTokens: wire.input_tokens,
    cachedInputTokens: wire.cached_input_tokens,
    cacheWriteTokens: wire.cache_write_tokens,
    outputTokens: wire.output_tokens,
    reasoningTokens: wire.reasoning_tokens,
  };
}

export function isoOf(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The model broke its format: the text is still in final_output, and there is nothing to parse.
    return undefined;
  }
}
