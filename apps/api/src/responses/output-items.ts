/** Items of a response's output, and how those of a run's conversation become them. */
import { type Item, isReply, type Run, type RunSpec, textOf } from "@baton/core";
import { z } from "zod";
import type { CallIds } from "../answers/call-ids.ts";
import { extrasOf } from "../answers/completion-extras.ts";
import { type Answer, argumentsText, ownItems } from "../answers/run-ending.ts";
import { itemIdOf } from "./response-ids.ts";

const status = z.enum(["in_progress", "completed", "incomplete"]);

const contentSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("output_text"),
    text: z.string(),
    annotations: z.array(z.never()),
    logprobs: z.array(z.never()),
  }),
  z.object({ type: z.literal("refusal"), refusal: z.string() }),
]);

const messageSchema = z.object({
  type: z.literal("message"),
  id: z.string(),
  role: z.literal("assistant"),
  status,
  content: z.array(contentSchema),
});

const callSchema = z.object({
  type: z.literal("function_call"),
  id: z.string(),
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
  status,
});

const mcpCallSchema = z.object({
  type: z.literal("mcp_call"),
  id: z.string(),
  server_label: z.string().describe("Empty when more than one server was named: tool names are unique."),
  name: z.string(),
  arguments: z.string(),
  output: z.string().nullable(),
  error: z.object({ type: z.literal("mcp_tool_execution_error"), content: z.string() }).nullable(),
  status: z.enum(["completed", "failed"]),
});

const reasoningSchema = z.object({
  type: z.literal("reasoning"),
  id: z.string(),
  summary: z.array(z.object({ type: z.literal("summary_text"), text: z.string() })),
});

export const outputItemSchema = z.discriminatedUnion("type", [
  messageSchema,
  callSchema,
  mcpCallSchema,
  reasoningSchema,
]);
export type OutputItem = z.infer<typeof outputItemSchema>;
export type MessageItem = z.infer<typeof messageSchema>;
export type MessageContent = z.infer<typeof contentSchema>;
export type CallItem = z.infer<typeof callSchema>;
export type McpCallItem = z.infer<typeof mcpCallSchema>;
export type ReasoningItem = z.infer<typeof reasoningSchema>;

export function textContent(text: string): MessageContent {
  return { type: "output_text", text, annotations: [], logprobs: [] };
}

export function messageItem(id: string, content: MessageContent, status: MessageItem["status"]): MessageItem {
  return { type: "message", id, role: "assistant", status, content: [content] };
}

export function reasoningItem(id: string, text: string): ReasoningItem {
  return { type: "reasoning", id, summary: [{ type: "summary_text", text }] };
}

/** What models thought, where they show it, and what they said before the last reply. */
export function reasoningItems(run: Run, items: readonly Item[]): readonly ReasoningItem[] {
  const replies = ownItems(run, items).filter(isReply);
  const texts = replies.flatMap((reply, place) => [
    ...reply.parts.flatMap((part) => (part.type === "reasoning" ? [part.text] : [])),
    ...(place < replies.length - 1 ? [textOf(reply)] : []),
  ]);
  return texts
    .filter((text) => text !== "")
    .map((text, place) => reasoningItem(itemIdOf("rs", run.id, place), text));
}

/** Calls of servers' tools, which ran at workers. */
export function mcpCallItems(run: Run, spec: RunSpec, items: readonly Item[]): readonly McpCallItem[] {
  return extrasOf(run, spec, items).mcp_tool_results.map((one, place) => ({
    type: "mcp_call",
    id: itemIdOf("mcp", run.id, place),
    server_label: one.server_name,
    name: one.tool_name,
    arguments: JSON.stringify(one.arguments),
    output: one.is_error ? null : one.result,
    error: one.is_error ? { type: "mcp_tool_execution_error", content: one.result } : null,
    status: one.is_error ? "failed" : "completed",
  }));
}

/** What the last model said, when it said something or did nothing else. */
export function answerMessage(answer: Answer, id: string): readonly MessageItem[] {
  const { text, refusal, calls, finishReason } = answer;
  if (refusal !== null) return [messageItem(id, { type: "refusal", refusal }, "completed")];
  if (text === "" && calls.length > 0) return [];
  const isCut = finishReason === "length" || finishReason === "content_filter";
  return [messageItem(id, textContent(text), isCut ? "incomplete" : "completed")];
}

/** Calls of the caller's own functions. */
export function callItems(run: Run, { calls }: Answer, callIds: CallIds): readonly CallItem[] {
  return calls.map((call, place) => ({
    type: "function_call",
    id: itemIdOf("fc", run.id, place),
    call_id: callIds(place),
    name: call.name,
    arguments: argumentsText(call),
    status: "completed",
  }));
}
