/** A batch in the wire's snake_case, as the command line's `--json` and the API carry it. */
import { isoOf, modelIdSchema } from "@baton/core";
import { z } from "zod";
import type { BatchStatus } from "./batch-status.ts";

const time = z.iso.datetime();
const count = z.int().min(0);

export const wireBatchSchema = z.object({
  id: z.string(),
  status: z
    .enum(["submitting", "empty", "working", "waiting", "ended"])
    .describe(
      "`submitting`: not all runs are in. `empty`: it has no run yet. `waiting`: what is left waits for an outside act.",
    ),
  created_at: time.nullable(),
  run_at: time.nullable().describe("None of its runs starts before."),
  lines: count.nullable().describe("Null until all runs are in, and for a batch that is no file."),
  weight: z.number().describe("Its share of each pool, beside 1 for another batch."),
  total: count.describe("Runs that are there, of whatever status."),
  runs: z.object({
    queued: count,
    running: count,
    waiting: count,
    succeeded: count,
    failed: count,
    cancelled: count,
  }),
  pools: z.record(z.string(), count).describe("How many of its runs are queued or running in each pool."),
  tokens: z.number(),
  cost_usd: z.number().describe("Of the replies whose price was known."),
  unpriced_replies: count,
  budget: z.object({ tokens: z.number().optional(), usd: z.number().optional() }),
  budget_spent: z.boolean().describe("What has not begun is held back until the budget is raised."),
});
export type WireBatch = z.infer<typeof wireBatchSchema>;

export function wireBatch(status: BatchStatus): WireBatch {
  const { createdAt, runAt, lines, budget } = status;
  return {
    id: status.id,
    status: stateOf(status),
    created_at: isoOf(createdAt),
    run_at: isoOf(runAt),
    lines: lines ?? null,
    weight: status.weight,
    total: status.total,
    runs: status.runs,
    pools: Object.fromEntries(status.pools),
    tokens: status.tokens,
    cost_usd: status.costUsd,
    unpriced_replies: status.unpricedReplies,
    budget,
    budget_spent: status.isSpent,
  };
}

function stateOf({ isOver, isOpen, runs, total }: BatchStatus): WireBatch["status"] {
  if (isOver) return "ended";
  if (isOpen) return "submitting";
  if (total === 0) return "empty";
  return runs.queued + runs.running === 0 ? "waiting" : "working";
}

/** Throws a `ZodError` for what is no batch. */
export function batchOfWire(wire: WireBatch): BatchStatus {
  return {
    id: wire.id,
    createdAt: msOf(wire.created_at),
    lines: wire.lines ?? undefined,
    isOpen: wire.status === "submitting",
    weight: wire.weight,
    runAt: msOf(wire.run_at),
    tokens: wire.tokens,
    costUsd: wire.cost_usd,
    unpricedReplies: wire.unpriced_replies,
    budget: wire.budget,
    isSpent: wire.budget_spent,
    runs: wire.runs,
    total: wire.total,
    pools: new Map(Object.entries(wire.pools).map(([pool, some]) => [modelIdSchema.parse(pool), some])),
    isOver: wire.status === "ended",
  };
}

function msOf(iso: string | null): number | undefined {
  return iso === null ? undefined : Date.parse(iso);
}
