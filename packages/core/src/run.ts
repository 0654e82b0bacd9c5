/**
 * A run and its phases as readers see them. A run is a union on `status`, so that "an output with failed"
 * cannot be written.
 */
import { z } from "zod";
import { runIdSchema } from "./ids.ts";
import { modelIdSchema } from "./model-id.ts";
import { WAIT_REASONS } from "./state.ts";
import { usageSchema } from "./usage.ts";

export const RUN_VERSION = 1;

const milliseconds = z.int().min(0);

export const runErrorSchema = z.object({ code: z.string(), message: z.string() });
export type RunError = z.infer<typeof runErrorSchema>;

/** One model's stretch of a run. `attempts` counts claims of it, `turns` its model calls that were written. */
export const phaseSchema = z.object({
  seq: z.int().min(0),
  name: z.string().optional(),
  model: modelIdSchema,
  status: z.enum(["queued", "running", "waiting", "succeeded", "failed", "cancelled"]),
  attempts: z.int().min(0),
  turns: z.int().min(0),
  startedAt: milliseconds.optional(),
  endedAt: milliseconds.optional(),
  usage: usageSchema,
  /** By the prices at the time of each call; null when one of them was not known. */
  costUsd: z.number().min(0).nullable().default(null),
});
export type Phase = z.infer<typeof phaseSchema>;

const common = z.object({
  id: runIdSchema,
  /** The pool that the run is in, or was in last. */
  model: modelIdSchema,
  ticket: z.int(),
  epoch: z.int(),
  /** Items in the conversation. */
  items: z.int(),
  turns: z.int(),
  handoffs: z.int(),
  /** Claims that took a running run over from a worker that was lost. */
  takeovers: z.int(),
  createdAt: milliseconds,
  updatedAt: milliseconds,
  deadline: milliseconds.optional(),
  usage: usageSchema,
  costUsd: z.number().min(0).nullable().default(null),
  /** Model calls that failed in a row since the last reply, and the last failure. */
  failures: z.int().default(0),
  lastFailure: runErrorSchema.optional(),
  phases: z.array(phaseSchema),
  metadata: z.record(z.string(), z.string()).optional(),
  batch: z.string().optional(),
  customId: z.string().optional(),
  /** Whose it is: an API key sees the runs of its own namespace alone. Absent: what was submitted on Redis itself. */
  namespace: z.string().optional(),
  /** The run whose conversation this one began with, and how many of its items. */
  forkedFrom: z.object({ run: runIdSchema, items: z.int() }).optional(),
});

export const runSchema = z.discriminatedUnion("status", [
  common.extend({
    status: z.literal("queued"),
    notBefore: milliseconds.optional(),
    missing: z.array(z.string()).optional(),
  }),
  common.extend({ status: z.literal("running"), pausing: z.boolean() }),
  common.extend({
    status: z.literal("waiting"),
    reason: z.enum(WAIT_REASONS),
    /** What it waits for, in a sentence. */
    detail: z.string().optional(),
  }),
  common.extend({ status: z.literal("succeeded"), endedAt: milliseconds }),
  common.extend({ status: z.literal("failed"), endedAt: milliseconds, error: runErrorSchema }),
  common.extend({ status: z.literal("cancelled"), endedAt: milliseconds }),
]);
export type Run = z.infer<typeof runSchema>;
