/**
 * A run on the wire: JSON in snake_case, times in ISO 8601. `wireRun` writes it and `runOfWire` reads it back, so that a
 * program that has only the HTTP API sees the same `Run` as one that has Redis.
 */
import { z } from "zod";
import { runIdSchema } from "./ids.ts";
import { isoOf, wirePhase, wirePhaseSchema, wireUsage, wireUsageSchema } from "./result.ts";
import { type Phase, type Run, runErrorSchema, runSchema } from "./run.ts";
import { RUN_STATUSES } from "./state.ts";
import type { Usage } from "./usage.ts";

const time = z.iso.datetime();

export const wireRunSchema = z.object({
  id: runIdSchema,
  status: z.enum(RUN_STATUSES),
  /** The pool that it is in, or was in last. */
  model: z.string(),
  custom_id: z.string().optional(),
  batch: z.string().optional(),
  namespace: z.string().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
  created_at: time,
  updated_at: time,
  ended_at: time.nullable(),
  /** A queued run is not started before. */
  not_before: time.optional(),
  deadline: time.optional(),
  /** What a waiting run waits for. */
  waits_for: z.object({ reason: z.string(), detail: z.string().optional() }).optional(),
  /** A running run that stops after its turn. */
  pausing: z.boolean().optional(),
  /** What the workers that serve it lack. */
  missing: z.array(z.string()).optional(),
  error: runErrorSchema.optional(),
  turns: z.int(),
  handoffs: z.int(),
  takeovers: z.int(),
  /** Items in the conversation. */
  items: z.int(),
  /** Model calls that failed in a row since the last reply, and the last failure. */
  failures: z.int(),
  last_failure: runErrorSchema.optional(),
  forked_from: z.object({ run: runIdSchema, items: z.int() }).optional(),
  phases: z.array(wirePhaseSchema),
  usage: wireUsageSchema,
  /** Null when the price of a call was not known. */
  cost_usd: z.number().nullable(),
  ticket: z.int(),
  epoch: z.int(),
});
export type WireRun = z.infer<typeof wireRunSchema>;

export function wireRun(run: Run): WireRun {
  return {
    id: run.id,
    status: run.status,
    model: run.model,
    custom_id: run.customId,
    batch: run.batch,
    namespace: run.namespace,
    metadata: run.metadata,
    created_at: new Date(run.createdAt).toISOString(),
    updated_at: new Date(run.updatedAt).toISOString(),
    ended_at: "endedAt" in run ? isoOf(run.endedAt) : null,
    deadline: optionalIso(run.deadline),
    ...ofStatus(run),
    turns: run.turns,
    handoffs: run.handoffs,
    takeovers: run.takeovers,
    items: run.items,
    failures: run.failures,
    last_failure: run.lastFailure,
    forked_from: run.forkedFrom,
    phases: run.phases.map(wirePhase),
    usage: wireUsage(run.usage),
    cost_usd: run.costUsd,
    ticket: run.ticket,
    epoch: run.epoch,
  };
}

function ofStatus(run: Run): Partial<WireRun> {
  switch (run.status) {
    case "queued":
      return { not_before: optionalIso(run.notBefore), missing: run.missing };
    case "running":
      return { pausing: run.pausing };
    case "waiting":
      return { waits_for: { reason: run.reason, detail: run.detail } };
    case "failed":
      return { error: run.error };
    case "succeeded":
    case "cancelled":
      return {};
  }
}

/** Throws a `ZodError` for what is no run. */
export function runOfWire(wire: WireRun): Run {
  return runSchema.parse({
    id: wire.id,
    status: wire.status,
    model: wire.model,
    customId: wire.custom_id,
    batch: wire.batch,
    namespace: wire.namespace,
    metadata: wire.metadata,
    createdAt: Date.parse(wire.created_at),
    updatedAt: Date.parse(wire.updated_at),
    endedAt: msOf(wire.ended_at),
    notBefore: msOf(wire.not_before),
    deadline: msOf(wire.deadline),
    pausing: wire.pausing,
    missing: wire.missing,
    reason: wire.waits_for?.reason,
    detail: wire.waits_for?.detail,
    error: wire.error,
    turns: wire.turns,
    handoffs: wire.handoffs,
    takeovers: wire.takeovers,
    items: wire.items,
    failures: wire.failures,
    lastFailure: wire.last_failure,
    forkedFrom: wire.forked_from,
    phases: wire.phases.map(phaseOfWire),
    usage: usageOfWire(wire.usage),
    costUsd: wire.cost_usd,
    ticket: wire.ticket,
    epoch: wire.epoch,
  });
}

function phaseOfWire(wire: z.infer<typeof wirePhaseSchema>): Record<keyof Phase, unknown> {
  return {
    seq: wire.seq,
    name: wire.name,
    model: wire.model,
    status: wire.status,
    attempts: wire.attempts,
    turns: wire.turns,
    startedAt: msOf(wire.started_at),
    endedAt: msOf(wire.ended_at),
    usage: usageOfWire(wire.usage),
    costUsd: wire.cost_usd,
  };
}

function usageOfWire(wire: z.infer<typeof wireUsageSchema>): Usage {
  return {
    inputTokens: wire.input_tokens,
    cachedInputTokens: wire.cached_input_tokens,
    cacheWriteTokens: wire.cache_write_tokens,
    outputTokens: wire.output_tokens,
    reasoningTokens: wire.reasoning_tokens,
  };
}

function optionalIso(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

function msOf(iso: string | null | undefined): number | undefined {
  return iso === null || iso === undefined ? undefined : Date.parse(iso);
}
