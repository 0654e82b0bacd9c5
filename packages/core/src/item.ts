/**
 * The conversation: an append-only log of items (R3), the only state that a model call is rendered from. The
 * schema is Baton's own and versioned; what a vendor must get back word for word is kept in a part's `native`.
 * System instructions are not in the log; they are rendered for each phase.
 */
import { z } from "zod";
import { modelIdSchema } from "./model-id.ts";
import { type Usage, usageSchema } from "./usage.ts";

export const ITEM_VERSION = 1;

export const textPartSchema = z.object({
  type: z.literal("text"),
  text: z.string(),
  /** The vendor's own block, for the same model only. */
  native: z.unknown().optional(),
});

/** An image or a file, by URL or as base64 data. */
export const filePartSchema = z.object({
  type: z.literal("file"),
  /** IANA media type, `image/png` or `application/pdf`; images given by URL alone may use `image/*`. */
  mediaType: z.string(),
  source: z.union([
    z.object({ kind: z.literal("url"), url: z.string() }),
    z.object({ kind: z.literal("base64"), data: z.string() }),
  ]),
  name: z.string().optional(),
  detail: z.enum(["auto", "low", "high"]).optional(),
});

/** What a model thought. `native` goes back to the same model only; `text` is for people, never for a model. */
export const reasoningPartSchema = z.object({
  type: z.literal("reasoning"),
  text: z.string(),
  native: z.unknown().optional(),
});

export const toolCallPartSchema = z.object({
  type: z.literal("tool_call"),
  callId: z.string(),
  name: z.string(),
  /** The parsed object, or the raw text when the model wrote invalid JSON. */
  arguments: z.union([
    z.object({ kind: z.literal("object"), value: z.record(z.string(), z.unknown()) }),
    z.object({ kind: z.literal("invalid"), raw: z.string() }),
  ]),
  native: z.unknown().optional(),
});

export const toolResultPartSchema = z.object({
  type: z.literal("tool_result"),
  callId: z.string(),
  name: z.string(),
  isError: z.boolean(),
  content: z.array(z.union([textPartSchema, filePartSchema])),
  /** The MCP server whose tool it was, as it is shown to people; told to no model. Older items lack it. */
  server: z.string().optional(),
});

/** Control moved. Rendered to the next model as a plain user message, so that no tool loop stays open. */
export const handoffPartSchema = z.object({
  type: z.literal("handoff"),
  from: modelIdSchema,
  to: modelIdSchema,
  reason: z.string(),
  brief: z.string(),
  /** What the next model sees of the conversation before this item. */
  context: z.enum(["full", "brief"]),
  /** `model`: a model called the transfer tool; `pipeline`: the next of `phases`; `fallback`: the other failed. */
  by: z.enum(["model", "pipeline", "fallback", "policy"]),
});

/** Written before a tool runs that is neither read-only nor idempotent: without it the call was not started. */
export const toolStartedPartSchema = z.object({ type: z.literal("tool_started"), callId: z.string() });

/** An explicit act on the run by an operator: kept in the log, never rendered to a model. */
export const recordPartSchema = z.object({
  type: z.literal("record"),
  /** `ask`: the run waits for a person's word on the calls in `detail`. */
  act: z.enum(["retry", "fork", "resume", "pause", "ask", "approve", "reject"]),
  detail: z.record(z.string(), z.unknown()),
});

export const partSchema = z.discriminatedUnion("type", [
  textPartSchema,
  filePartSchema,
  reasoningPartSchema,
  toolCallPartSchema,
  toolResultPartSchema,
  handoffPartSchema,
  toolStartedPartSchema,
  recordPartSchema,
]);

export const stopReasonSchema = z.enum([
  "end",
  "tool_use",
  "length",
  "refusal",
  "content_filter",
  "pause_turn",
  "context_exceeded",
]);

export const originSchema = z.object({
  provider: z.string(),
  api: z.enum(["openai-responses", "openai-chat", "anthropic-messages"]),
  /** The id that was asked for: `native` parts go back to this one only. */
  model: modelIdSchema,
  responseId: z.string().optional(),
});

/** A server that could not be listed: the reply was made without its tools. */
export const serverErrorSchema = z.object({ server: z.string(), message: z.string() });

export const itemSchema = z.object({
  v: z.literal(ITEM_VERSION),
  /** Place in the log, from 0. */
  seq: z.int().min(0),
  phase: z.int().min(0),
  epoch: z.int().min(0),
  /** Milliseconds since 1970, by the writer's clock. */
  at: z.int(),
  /** `control` items (handoffs excepted) steer Baton and are never rendered. */
  role: z.enum(["user", "assistant", "tool", "control"]),
  parts: z.array(partSchema),
  origin: originSchema.optional(),
  usage: usageSchema.optional(),
  /** What the reply cost, by the price at that time; null when no price was known. */
  costUsd: z.number().min(0).nullable().optional(),
  stopReason: stopReasonSchema.optional(),
  /** Of a reply; for people, and never rendered. */
  serverErrors: z.array(serverErrorSchema).optional(),
});

export type TextPart = z.infer<typeof textPartSchema>;
export type FilePart = z.infer<typeof filePartSchema>;
export type ReasoningPart = z.infer<typeof reasoningPartSchema>;
export type ToolCallPart = z.infer<typeof toolCallPartSchema>;
export type ToolResultPart = z.infer<typeof toolResultPartSchema>;
export type HandoffPart = z.infer<typeof handoffPartSchema>;
export type ToolStartedPart = z.infer<typeof toolStartedPartSchema>;
export type RecordPart = z.infer<typeof recordPartSchema>;
export type Part = z.infer<typeof partSchema>;
export type StopReason = z.infer<typeof stopReasonSchema>;
export type Origin = z.infer<typeof originSchema>;
export type ServerError = z.infer<typeof serverErrorSchema>;
export type Item = z.infer<typeof itemSchema>;
export type { Usage };

/** An item before it has its place in the log. */
export type NewItem = Omit<Item, "v" | "seq" | "phase" | "epoch" | "at">;

/** The text of an item's text parts, joined. */
export function textOf(item: Pick<Item, "parts">): string {
  let text = "";
  for (const part of item.parts) if (part.type === "text") text += part.text;
  return text;
}

/** Whether an item is a model's reply, not an assistant's message that was submitted. */
export function isReply(item: Pick<Item, "role" | "origin">): boolean {
  return item.role === "assistant" && item.origin !== undefined;
}

/** The calls that a record names. */
export function callsIn(record: RecordPart): readonly string[] {
  const { calls } = record.detail;
  return Array.isArray(calls) ? calls.filter((call) => typeof call === "string") : [];
}
