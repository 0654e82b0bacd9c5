/**
 * A run on the wire: JSON in snake_case, times in ISO 8601. `wireRun` writes it and `runOfWire` reads it back, so that a
 * program that has only the HTTP API sees the same `Run` as one that has Redis.
 */
import { z } from "zod";
import { runIdSchema } from "./ids.ts";
import { isoOf, usageOfWire, wirePhase, wirePhaseSchema, wireUsage, wireUsageSchema } from "./result.ts";
import { type Phase, type Run, runErrorSchema, runSchema } from "./run.ts";
import { RUN_STATUSES } from "./state.ts";

const time = z.iso.datetime();

export const wireRunSchema = z.object({
  id: runIdSchema,
  status: z.enum(RUN_STATUSES),
  model: z.string().describe("The model that has the run, or had it last."),
  custom_id: z.string().optional().describe("Its name in its batch."),
  batch: z.string().optional(),
  namespace: z.string().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
  created_at: time,
  updated_at: time,
  ended_at: time.nullable(),
  not_before: time.optional().describe("A queued run is not started before."),
  deadline: time.optional().describe("The run fails then, if it is not over."),
  waits_for: z
    .object({ reason: z.string(), detail: z.string().optional() })
    .optional()
    .describe("What a waiting run waits for: an act from outside."),
  pausing: z.boolean().optional().describe("Whether a running run stops after its turn."),
  missing: z.array(z.string()).optional().describe("What the workers that serve it lack."),
  error: runErrorSchema.optional().describe("Why it failed."),
  turns: z.int().describe("Model calls that were written."),
  handoffs: z.int(),
  takeovers: z.int().describe("How often a worker was lost while it worked on the run."),
  items: z.int().describe("Items in the conversation."),
  failures: z.int().describe("Model calls that failed in a row since the last reply."),
  last_failure: runErrorSchema.optional(),
  forked_from: z
    .object({ run: runIdSchema, items: z.int() })
    .optional()
    .describe("The run whose conversation this one began with, and how many of its items."),
  phases: z.array(wirePhaseSchema),
  usage: wireUsageSchema,
  cost_usd: z.number().nullable().describe("Null when the price of a call was not known."),
  ticket: z.int().describe("Rises each time the run is queued."),
  epoch: z.int().describe("Rises each time a worker takes it, or an act from outside changes it."),
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

function optionalIso(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

function msOf(iso: string | null | undefined): number | undefined {
  return iso === null || iso === undefined ? undefined : Date.parse(iso);
}
