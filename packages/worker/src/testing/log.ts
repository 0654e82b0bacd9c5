/** Conversations for tests, written by hand in few words: items get their places when the log is put together. */
import {
  type HandoffPart,
  type Item,
  type ModelId,
  modelIdSchema,
  type NewItem,
  NO_USAGE,
  type Part,
  type RecordPart,
  type StopReason,
} from "@baton/core";

export const gpt = modelIdSchema.parse("openai/gpt");
export const claude = modelIdSchema.parse("anthropic/claude");

type Draft = NewItem & { readonly phase?: number };

export function log(...drafts: readonly Draft[]): Item[] {
  return drafts.map((draft, seq) => ({ v: 1, seq, phase: 0, epoch: 1, at: 0, ...draft }));
}

export function user(text: string, phase = 0): Draft {
  return { role: "user", phase, parts: [{ type: "text", text }] };
}

export interface ReplyOptions {
  readonly phase?: number;
  readonly model?: ModelId;
  readonly stopReason?: StopReason;
  /** Input tokens that the call took. */
  readonly tokens?: number;
  readonly costUsd?: number | null;
}

/** A model's reply; a string is text. */
export function reply(parts: readonly (string | Part)[], options: ReplyOptions = {}): Draft {
  const whole = parts.map((part): Part => (typeof part === "string" ? { type: "text", text: part } : part));
  const calls = whole.some((part) => part.type === "tool_call");
  return {
    role: "assistant",
    phase: options.phase ?? 0,
    parts: whole,
    origin: { provider: "test", api: "openai-chat", model: options.model ?? gpt },
    stopReason: options.stopReason ?? (calls ? "tool_use" : "end"),
    ...(options.tokens === undefined ? {} : { usage: { ...NO_USAGE, inputTokens: options.tokens } }),
    ...(options.costUsd === undefined ? {} : { costUsd: options.costUsd }),
  };
}

export function call(
  name: string,
  callId = name,
  value: Record<string, unknown> = {},
): Part & { type: "tool_call" } {
  return { type: "tool_call", callId, name, arguments: { kind: "object", value } };
}

export function result(callId: string, phase = 0): Draft {
  return {
    role: "tool",
    phase,
    parts: [{ type: "tool_result", callId, name: callId, isError: false, content: [] }],
  };
}

export function started(callId: string, phase = 0): Draft {
  return { role: "control", phase, parts: [{ type: "tool_started", callId }] };
}

export function retried(phase = 0): Draft {
  return record("retry", {}, phase);
}

/** What a person did, or was asked. */
export function record(act: RecordPart["act"], detail: Record<string, unknown> = {}, phase = 0): Draft {
  return { role: "control", phase, parts: [{ type: "record", act, detail }] };
}

/** Control moves to `to`; the item belongs to the phase that ends. */
export function handoff(to: ModelId, more: Partial<HandoffPart> = {}, phase = 0): Draft {
  const part: HandoffPart = {
    type: "handoff",
    from: gpt,
    to,
    reason: "",
    brief: "",
    context: "full",
    by: "model",
    ...more,
  };
  return { role: "user", phase, parts: [part] };
}
