/** Builds items and requests for tests: each helper gives the least that is valid, in the log's own form. */
import {
  type Item,
  type ModelId,
  type ModelRequest,
  modelIdSchema,
  type NewItem,
  type Part,
  type ToolDefinition,
  type ToolResultPart,
} from "@baton/core";

export const CLAUDE = modelIdSchema.parse("anthropic/claude-opus-4-5");
export const CLAUDE_ADAPTIVE = modelIdSchema.parse("anthropic/claude-opus-4-7");
export const GPT = modelIdSchema.parse("openai/gpt-5.2");
export const PLAIN_GPT = modelIdSchema.parse("openai/gpt-4.1");
export const GROK = modelIdSchema.parse("xai/grok-4-1-fast-reasoning");
export const LOCAL = modelIdSchema.parse("ollama/qwen3:8b");

type Api = NonNullable<Item["origin"]>["api"];

export function apiOf(model: ModelId): Api {
  if (model.startsWith("anthropic/")) return "anthropic-messages";
  return model.startsWith("openai/") ? "openai-responses" : "openai-chat";
}

/** Gives the items their places in a log. */
export function log(...items: readonly NewItem[]): Item[] {
  return items.map((item, seq) => ({ v: 1, seq, phase: 0, epoch: 1, at: 1_000 + seq, ...item }));
}

export function user(...texts: readonly string[]): NewItem {
  return { role: "user", parts: texts.map((text) => ({ type: "text", text })) };
}

export function says(model: ModelId, ...parts: readonly (Part | string)[]): NewItem {
  const provider = model.slice(0, model.indexOf("/"));
  return {
    role: "assistant",
    parts: parts.map((part) => (typeof part === "string" ? { type: "text", text: part } : part)),
    origin: { provider, api: apiOf(model), model, responseId: "r1" },
    stopReason: parts.some((part) => typeof part === "object" && part.type === "tool_call")
      ? "tool_use"
      : "end",
  };
}

export function call(callId: string, name = "look", value: Record<string, unknown> = {}): Part {
  return { type: "tool_call", callId, name, arguments: { kind: "object", value } };
}

export function result(callId: string, text = "found", extra: Partial<ToolResultPart> = {}): NewItem {
  const part: ToolResultPart = {
    type: "tool_result",
    callId,
    name: "look",
    isError: false,
    content: [{ type: "text", text }],
    ...extra,
  };
  return { role: "tool", parts: [part] };
}

export function handoff(from: ModelId, to: ModelId, brief = "go on"): NewItem {
  const part = { type: "handoff", from, to, reason: "it is better at this", brief } as const;
  return { role: "user", parts: [{ ...part, context: "full", by: "model" }] };
}

export function thinking(text: string): Part {
  const native = { type: "thinking", thinking: text, signature: `signed:${text}` };
  return { type: "reasoning", text, native };
}

export function tool(name: string, extra: Partial<ToolDefinition> = {}): ToolDefinition {
  return {
    name,
    description: `does ${name}`,
    inputSchema: { type: "object", properties: { a: { type: "string" } } },
    readOnly: true,
    idempotent: true,
    approval: false,
    origin: { kind: "function" },
    ...extra,
  };
}

export function request(
  model: ModelId,
  items: readonly Item[],
  extra: Partial<ModelRequest> = {},
): ModelRequest {
  return { model, instructions: "Be brief.", items, tools: [tool("look")], settings: {}, ...extra };
}
