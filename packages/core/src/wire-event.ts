/**
 * An event on the wire: JSON in snake_case, times in ISO 8601, with `type` in it. `wireEvent` writes it and `eventOfWire`
 * reads it back, so that a program that has only the HTTP API sees the same events as one that has Redis.
 */
import { z } from "zod";
import { type RunEvent, runEventSchema } from "./event.ts";
import { usageOfWire, wireUsage, wireUsageSchema } from "./result.ts";
import { runErrorSchema } from "./run.ts";
import { RUN_STATUSES } from "./state.ts";
import { itemOfWire, wireItem, wireItemSchema } from "./wire-item.ts";
import { runOfWire, wireRun, wireRunSchema } from "./wire-run.ts";

const at = { epoch: z.int(), phase: z.int() };

export const wireEventSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("status"),
    ...at,
    status: z.enum(RUN_STATUSES),
    /** The pool that the run is in now. */
    model: z.string(),
    reason: z.string().optional(),
    detail: z.string().optional(),
    not_before: z.iso.datetime().optional(),
    error: runErrorSchema.optional(),
  }),
  z.object({
    type: z.literal("phase"),
    ...at,
    model: z.string(),
    attempt: z.int(),
    takeover: z.boolean(),
  }),
  z.object({
    type: z.literal("turn"),
    ...at,
    model: z.string(),
    /** Place of the reply in the conversation. */
    item: z.int(),
    stop_reason: z.string(),
    usage: wireUsageSchema,
  }),
  z.object({ type: z.literal("text"), ...at, text: z.string() }),
  z.object({ type: z.literal("reasoning"), ...at, text: z.string() }),
  z.object({
    type: z.literal("tool_start"),
    ...at,
    call_id: z.string(),
    name: z.string(),
    arguments: z.string(),
  }),
  z.object({
    type: z.literal("tool_end"),
    ...at,
    call_id: z.string(),
    name: z.string(),
    is_error: z.boolean(),
    /** The beginning of the result. */
    preview: z.string(),
  }),
  z.object({ type: z.literal("handoff"), ...at, from: z.string(), to: z.string(), reason: z.string() }),
  /** The text since the last turn is void, and will be written anew. */
  z.object({ type: z.literal("withdrawn"), ...at, model: z.string() }),
  z.object({ type: z.literal("notice"), ...at, code: z.string(), message: z.string() }),
  /** The state so far. */
  z.object({
    type: z.literal("snapshot"),
    ...at,
    run: wireRunSchema,
    items: z.array(wireItemSchema),
    /** The text of the reply that is coming in. */
    partial_text: z.string(),
    /** Its beginning is gone: the stream is bounded, and the reply is long. It comes whole with its turn. */
    partial_cut: z.literal(true).optional(),
  }),
]);
export type WireEvent = z.infer<typeof wireEventSchema>;

export function wireEvent(event: RunEvent): WireEvent {
  switch (event.type) {
    case "status": {
      const { notBefore, ...rest } = event;
      return {
        ...rest,
        ...(notBefore === undefined ? {} : { not_before: new Date(notBefore).toISOString() }),
      };
    }
    case "turn": {
      const { stopReason, usage, ...rest } = event;
      return { ...rest, stop_reason: stopReason, usage: wireUsage(usage) };
    }
    case "tool_start": {
      const { callId, ...rest } = event;
      return { ...rest, call_id: callId };
    }
    case "tool_end": {
      const { callId, isError, ...rest } = event;
      return { ...rest, call_id: callId, is_error: isError };
    }
    case "snapshot": {
      const { run, items, partialText, partialCut, ...rest } = event;
      return {
        ...{ ...rest, run: wireRun(run), items: items.map(wireItem), partial_text: partialText },
        ...(partialCut === undefined ? {} : { partial_cut: partialCut }),
      };
    }
    case "phase":
    case "text":
    case "reasoning":
    case "handoff":
    case "withdrawn":
    case "notice":
      return event;
  }
}

/** Throws a `ZodError` for what is no event. */
export function eventOfWire(wire: WireEvent): RunEvent {
  return runEventSchema.parse(namesOfWire(wire));
}

/** With Baton's own names; what they name is checked by the event's schema. */
function namesOfWire(wire: WireEvent): unknown {
  switch (wire.type) {
    case "status": {
      const { not_before, ...rest } = wire;
      return not_before === undefined ? rest : { ...rest, notBefore: Date.parse(not_before) };
    }
    case "turn": {
      const { stop_reason, usage, ...rest } = wire;
      return { ...rest, stopReason: stop_reason, usage: usageOfWire(usage) };
    }
    case "tool_start": {
      const { call_id, ...rest } = wire;
      return { ...rest, callId: call_id };
    }
    case "tool_end": {
      const { call_id, is_error, ...rest } = wire;
      return { ...rest, callId: call_id, isError: is_error };
    }
    case "snapshot": {
      const { run, items, partial_text, partial_cut, ...rest } = wire;
      return {
        ...{ ...rest, run: runOfWire(run), items: items.map(itemOfWire), partialText: partial_text },
        ...(partial_cut === undefined ? {} : { partialCut: partial_cut }),
      };
    }
    case "phase":
    case "text":
    case "reasoning":
    case "handoff":
    case "withdrawn":
    case "notice":
      return wire;
  }
}
