/**
 * Events of a run, as its stream carries them to watchers. The ledger is the truth and events are its echo:
 * each carries the epoch and the phase it belongs to, and when a new epoch begins, the open partial text of the
 * old one is void.
 */
import { z } from "zod";
import { itemSchema } from "./item.ts";
import { modelIdSchema } from "./model-id.ts";
import { runErrorSchema, runSchema } from "./run.ts";
import { RUN_STATUSES } from "./state.ts";
import { usageSchema } from "./usage.ts";

const at = { epoch: z.int(), phase: z.int() };

export const runEventSchema = z.discriminatedUnion("type", [
  /** The status changed; `model` is the pool that the run is in now. */
  z.object({
    type: z.literal("status"),
    ...at,
    status: z.enum(RUN_STATUSES),
    model: modelIdSchema,
    reason: z.string().optional(),
    /** What a waiting run waits for, in a sentence. */
    detail: z.string().optional(),
    notBefore: z.int().optional(),
    error: runErrorSchema.optional(),
  }),
  /** A worker claimed the phase: it begins, or goes on after a loss (`takeover`). Voids older partial text. */
  z.object({
    type: z.literal("phase"),
    ...at,
    model: modelIdSchema,
    attempt: z.int(),
    takeover: z.boolean(),
  }),
  /** A model reply was written: a turn's first half. */
  z.object({
    type: z.literal("turn"),
    ...at,
    model: modelIdSchema,
    /** Place of the reply in the log. */
    item: z.int(),
    stopReason: z.string(),
    usage: usageSchema,
  }),
  z.object({ type: z.literal("text"), ...at, text: z.string() }),
  z.object({ type: z.literal("reasoning"), ...at, text: z.string() }),
  z.object({
    type: z.literal("tool_start"),
    ...at,
    callId: z.string(),
    name: z.string(),
    arguments: z.string(),
  }),
  z.object({
    type: z.literal("tool_end"),
    ...at,
    callId: z.string(),
    name: z.string(),
    isError: z.boolean(),
    /** The beginning of the result, for people; whole in the log. */
    preview: z.string(),
  }),
  z.object({
    type: z.literal("handoff"),
    ...at,
    from: modelIdSchema,
    to: modelIdSchema,
    reason: z.string(),
  }),
  /** The attempt failed: the text and reasoning since the last turn are void, and will be written anew. */
  z.object({ type: z.literal("withdrawn"), ...at, model: modelIdSchema }),
  /** What people should know and no model is told: a server down, a setting dropped, an attempt that failed. */
  z.object({ type: z.literal("notice"), ...at, code: z.string(), message: z.string() }),
  /** The state so far, sent first when older events are gone. */
  z.object({
    type: z.literal("snapshot"),
    ...at,
    run: runSchema,
    items: z.array(itemSchema),
    partialText: z.string(),
    /** The beginning of the partial text is gone: the stream is bounded, and the reply is long. */
    partialCut: z.literal(true).optional(),
  }),
]);

export type RunEvent = z.infer<typeof runEventSchema>;
/** An event with its place in the stream; give the id back to go on from there. */
export interface StampedEvent {
  readonly id: string;
  readonly event: RunEvent;
}
