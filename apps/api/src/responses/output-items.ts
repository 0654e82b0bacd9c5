/** Items of a response's output, and how those of a run's conversation become them. */
import { type Item, isReply, type Run, type RunId, type RunSpec, textOf } from "@baton/core";
import { z } from "zod";
import type { CallIds } from "../answers/call-ids.ts";
import { type Answer, argumentsText, ownItems } from "../answers/run-ending.ts";
import { type ToolRun, toolRunsOf } from "../answers/tool-runs.ts";
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
  content: z.array(contentSchema).describe("Empty for text that was streamed and is void."),
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
  server_label: z.string().describe("Empty for a function of the configuration, which no server has."),
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
export type WorkItem = ReasoningItem | McpCallItem;

export function textContent(text: string): MessageContent {
  return { type: "output_text", text, annotations: [], logprobs: [] };
}

export function messageItem(id: string, content: MessageContent, status: MessageItem["status"]): MessageItem {
  return { type: "message", id, role: "assistant", status, content: [content] };
}

export function reasoningItem(id: string, text: string): ReasoningItem {
  return { type: "reasoning", id, summary: [{ type: "summary_text", text }] };
}

/** What was done for the answer, in the order of the conversation. */
export interface Work {
  /** Up to the last reply: what models thought, where they show it, said in turns that others followed, and called. */
  readonly before: readonly WorkItem[];
  /** Calls that the last reply made beside those of the caller's functions. */
  readonly after: readonly WorkItem[];
}

export function workOf(run: Run, spec: RunSpec, items: readonly Item[]): Work {
  const own = ownItems(run, items);
  const last = own.findLastIndex(isReply);
  const runs = toolRunsOf(run, spec, items);
  const calls = new Map<unknown, McpCallItem>(
    runs.map((one, place) => [one.result, mcpCallItem(run.id, place, one)]),
  );
  const before: WorkItem[] = [];
  const after: WorkItem[] = [];
  let thoughts = 0;
  const think = (text: string): void => {
    if (text !== "") before.push(reasoningItem(itemIdOf("rs", run.id, thoughts++), text));
  };
  for (const [place, item] of own.entries()) {
    if (isReply(item)) {
      think(item.parts.map((part) => (part.type === "reasoning" ? part.text : "")).join(""));
      if (place !== last) think(textOf(item));
    }
    const made = item.parts.flatMap((part) => calls.get(part) ?? []);
    (place > last ? after : before).push(...made);
  }
  return { before, after };
}

/** Calls of tools that ran at workers, in the order of their results. */
export function mcpCallItems(run: Run, spec: RunSpec, items: readonly Item[]): readonly McpCallItem[] {
  return toolRunsOf(run, spec, items).map((one, place) => mcpCallItem(run.id, place, one));
}

/** The call of a tool that ran at a worker; `place`: among all such calls of the run. */
export function mcpCallItem(runId: RunId, place: number, { call, result, server }: ToolRun): McpCallItem {
  const { isError, name, content } = result;
  const text = textOf({ parts: content });
  return {
    type: "mcp_call",
    id: itemIdOf("mcp", runId, place),
    server_label: server,
    name,
    arguments: argumentsText(call),
    output: isError ? null : text,
    error: isError ? { type: "mcp_tool_execution_error", content: text } : null,
    status: isError ? "failed" : "completed",
  };
}

/** What the last model said, when it said something or did nothing else. */
export function answerMessage(answer: Answer, id: string): readonly MessageItem[] {
  const { text, refusal, calls } = answer;
  if (refusal !== null) return [messageItem(id, { type: "refusal", refusal }, "completed")];
  if (text === "" && calls.length > 0) return [];
  return [
    messageItem(id, textContent(text), isCut(answer) && calls.length === 0 ? "incomplete" : "completed"),
  ];
}

/** Its last piece may not be whole. */
function isCut({ finishReason }: Answer): boolean {
  return finishReason === "length" || finishReason === "content_filter";
}

/** Calls of the caller's own functions. */
export function callItems(run: Run, answer: Answer, callIds: CallIds): readonly CallItem[] {
  const { calls } = answer;
  return calls.map((call, place) => ({
    type: "function_call",
    id: itemIdOf("fc", run.id, place),
    call_id: callIds(place),
    name: call.name,
    arguments: argumentsText(call),
    status: isCut(answer) && place === calls.length - 1 ? "incomplete" : "completed",
  }));
}
