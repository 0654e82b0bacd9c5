/** A run and its conversation for tests, written by hand in few words. */
import {
  type HandoffPart,
  type Item,
  type ModelId,
  modelIdSchema,
  NO_USAGE,
  type Part,
  type RecordPart,
  type Run,
  runIdSchema,
} from "@baton/core";

export const gpt = modelIdSchema.parse("openai/gpt");
export const claude = modelIdSchema.parse("anthropic/claude");

export type Draft = Pick<Item, "role" | "parts"> & Partial<Item>;

export function log(...drafts: readonly Draft[]): Item[] {
  return drafts.map((draft, seq) => ({ v: 1, seq, phase: 0, epoch: 4, at: 7, ...draft }));
}

export const user = (text: string, phase = 0): Draft => ({
  role: "user",
  phase,
  parts: [{ type: "text", text }],
});

/** A model's reply; a string is text. */
export function reply(parts: readonly (string | Part)[], phase = 0, model: ModelId = gpt): Draft {
  const whole = parts.map((part): Part => (typeof part === "string" ? { type: "text", text: part } : part));
  return { role: "assistant", phase, parts: whole, origin: { provider: "test", api: "openai-chat", model } };
}

export const call = (name: string, callId: string): Part & { type: "tool_call" } => ({
  type: "tool_call",
  callId,
  name,
  arguments: { kind: "object", value: {} },
});

export const result = (callId: string, phase = 0): Draft => ({
  role: "tool",
  phase,
  parts: [{ type: "tool_result", callId, name: callId, isError: false, content: [] }],
});

export const record = (act: RecordPart["act"], detail: Record<string, unknown> = {}, phase = 0): Draft => ({
  role: "control",
  phase,
  parts: [{ type: "record", act, detail }],
});

/** Control moves to `to`; the item belongs to the phase that ends. */
export function handoff(to: ModelId, more: Partial<HandoffPart> = {}, phase = 0): Draft {
  const base = {
    type: "handoff",
    from: gpt,
    to,
    reason: "",
    brief: "",
    context: "full",
    by: "model",
  } as const;
  return { role: "user", phase, parts: [{ ...base, ...more }] };
}

export function waitingRun(
  more: { readonly reason?: "approval" | "client_tools"; readonly items?: number } = {},
): Run {
  return {
    id: runIdSchema.parse(`r_0_${"0".repeat(26)}`),
    status: "waiting",
    reason: more.reason ?? "approval",
    model: gpt,
    ...{ ticket: 3, epoch: 9, items: more.items ?? 0, turns: 1, handoffs: 0, takeovers: 0, failures: 0 },
    ...{ createdAt: 0, updatedAt: 0, usage: NO_USAGE, costUsd: 0 },
    phases: [{ seq: 0, model: gpt, status: "waiting", attempts: 1, turns: 1, usage: NO_USAGE, costUsd: 0 }],
  };
}
