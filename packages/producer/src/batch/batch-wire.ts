/** A batch in the wire's snake_case, as the command line's `--json` and the API carry it. */
import type { BatchStatus } from "./batch-status.ts";

export function wireBatch(status: BatchStatus) {
  const { createdAt, runAt, lines, budget } = status;
  return {
    id: status.id,
    status: stateOf(status),
    created_at: isoOf(createdAt),
    run_at: isoOf(runAt),
    /** Null until all runs are in, and for a batch that is no file. */
    lines: lines ?? null,
    weight: status.weight,
    total: status.total,
    runs: status.runs,
    pools: Object.fromEntries(status.pools),
    tokens: status.tokens,
    /** Of the replies whose price was known. */
    cost_usd: status.costUsd,
    unpriced_replies: status.unpricedReplies,
    budget,
    budget_spent: status.isSpent,
  };
}
export type WireBatch = ReturnType<typeof wireBatch>;

/** `submitting`: not all runs are in. `empty`: it has no run yet. `waiting`: what is left waits for an outside act. */
function stateOf({
  isOver,
  isOpen,
  runs,
  total,
}: BatchStatus): "submitting" | "empty" | "working" | "waiting" | "ended" {
  if (isOver) return "ended";
  if (isOpen) return "submitting";
  if (total === 0) return "empty";
  return runs.queued + runs.running === 0 ? "waiting" : "working";
}

function isoOf(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
