/**
 * The result of `Runner.run`: the Dedalus runner's fields, and what it lacks. All of it is told from the ledger,
 * so it is the same whether this process or another saw the run end; only what the caller's own functions
 * returned is kept from this process, before it became text.
 */
import {
  type Item,
  isReply,
  type Message,
  type ModelId,
  type Phase,
  type Run,
  type RunId,
  type RunResult,
  type RunStatus,
  type ToolCallPart,
  textOf,
  type Usage,
} from "@baton/core";
import { messagesOf } from "./messages-of.ts";

/** One result of a tool, of the caller's own, a configured function or an MCP server. */
export interface RunnerToolResult {
  readonly name: string;
  readonly callId: string;
  /** What a function of this process returned; of any other tool, its text. */
  readonly result: unknown;
  /** The model call that asked for it, from 1. */
  readonly step: number;
  readonly isError: boolean;
}

/** A call of one of the caller's own tools that was left to it. */
export interface PendingToolCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

export interface RunnerResult<Parsed = unknown> {
  readonly runId: RunId;
  /** `succeeded`, or `waiting` when calls were left to the caller; anything else is thrown. */
  readonly status: RunStatus;
  readonly finalOutput: string;
  /** The same as `finalOutput`. */
  readonly output: string;
  readonly content: string;
  /** The final output, read by `responseFormat`; undefined without one. */
  readonly outputParsed: Parsed | undefined;
  readonly toolResults: readonly RunnerToolResult[];
  /** Names in the order of the first call; handoffs are not among them. */
  readonly toolsCalled: readonly string[];
  /** Calls that the run waits for: give their results to `Producer.input`, then `follow` the run. */
  readonly pendingToolCalls: readonly PendingToolCall[];
  /** Model calls that were written. */
  readonly stepsUsed: number;
  /** The models that really ran, in order of first appearance. */
  readonly modelsUsed: readonly ModelId[];
  readonly phases: readonly Phase[];
  readonly usage: Usage & { readonly totalTokens: number };
  /** USD; null while a price is unknown. */
  readonly costUsd: number | null;
  /** The whole conversation, the instructions first. */
  readonly messages: readonly Message[];
  /** The same as `messages`. */
  readonly conversationHistory: readonly Message[];
  /** The messages as a list of one's own, to begin the next run with. */
  toInputList(): Message[];
}

export interface ResultParts<Parsed> {
  readonly run: Run;
  readonly result: RunResult;
  readonly items: readonly Item[];
  /** The instructions, which are not in the log. */
  readonly system: readonly string[];
  readonly outputParsed: Parsed | undefined;
  readonly pending: readonly ToolCallPart[];
  /** What functions of this process returned, by call id. */
  readonly returned: ReadonlyMap<string, unknown>;
}

export function runnerResult<Parsed>(parts: ResultParts<Parsed>): RunnerResult<Parsed> {
  const { run, result, items } = parts;
  const finalOutput = result.final_output ?? "";
  const messages = messagesOf(items, parts.system);
  return {
    runId: run.id,
    status: run.status,
    finalOutput,
    output: finalOutput,
    content: finalOutput,
    outputParsed: parts.outputParsed,
    toolResults: toolResultsOf(items, parts.returned),
    toolsCalled: result.tools_called,
    pendingToolCalls: parts.pending.map(pendingCall),
    stepsUsed: run.turns,
    // They are the models of the phases, whose ids were parsed.
    modelsUsed: result.models_used as ModelId[],
    phases: run.phases,
    usage: { ...run.usage, totalTokens: run.usage.inputTokens + run.usage.outputTokens },
    costUsd: result.cost_usd,
    messages,
    conversationHistory: messages,
    toInputList: () => [...messages],
  };
}

function toolResultsOf(
  items: readonly Item[],
  returned: ReadonlyMap<string, unknown>,
): readonly RunnerToolResult[] {
  const results: RunnerToolResult[] = [];
  let step = 0;
  for (const item of items) {
    if (isReply(item)) step += 1;
    // Results before the first reply were submitted with the run.
    if (item.role !== "tool" || step === 0) continue;
    for (const part of item.parts) {
      if (part.type !== "tool_result" || part.name.startsWith("transfer_to_")) continue;
      const { callId, name, isError } = part;
      const result = returned.has(callId) ? returned.get(callId) : textOf({ parts: part.content });
      results.push({ name, callId, result, step, isError });
    }
  }
  return results;
}

function pendingCall(call: ToolCallPart): PendingToolCall {
  const { arguments: args, callId, name } = call;
  const text = args.kind === "object" ? JSON.stringify(args.value) : args.raw;
  return { id: callId, type: "function", function: { name, arguments: text } };
}
