/**
 * What the runs of a batch share: an index of their own, and a budget. The hash of a batch holds `tokens` and `cost`
 * (nano-USD) as spent, `unpriced` (replies whose price was not known), and `tokens_max` and `cost_max` when it has a
 * budget. It goes when the last of its runs is gone, or after a week in which none came.
 */
import type { Budget } from "@baton/core";
import type { Redis } from "ioredis";
import { shardKeys } from "./keys.ts";
import { nanoUsd } from "./run-record.ts";
import type { RunScript } from "./scripts.ts";

export interface Batch {
  readonly id: string;
  readonly tokens: number;
  /** Of the replies whose price was known. */
  readonly costUsd: number;
  readonly unpricedReplies: number;
  readonly budget: Budget;
}

/** How long a batch that has no run yet keeps its budget. */
const WITHOUT_RUNS_MS = 7 * 86_400_000;

/** Letters, digits, `.`, `_` and `-`: it stands in keys and in file names. */
export const BATCH_ID = /^[A-Za-z0-9._-]{1,64}$/;

export async function readBatch(redis: Redis, id: string): Promise<Batch> {
  const [tokens, cost, unpriced, tokensMax, costMax] = await redis.hmget(
    keyOf(id),
    "tokens",
    "cost",
    "unpriced",
    "tokens_max",
    "cost_max",
  );
  return {
    id,
    tokens: Number(tokens ?? 0),
    costUsd: Number(cost ?? 0) / 1e9,
    unpricedReplies: Number(unpriced ?? 0),
    budget: {
      ...(tokensMax ? { tokens: Number(tokensMax) } : {}),
      ...(costMax ? { usd: Number(costMax) / 1e9 } : {}),
    },
  };
}

/** Sets the whole budget; what is left out has no bound. */
export async function setBatchBudget(run: RunScript, id: string, budget: Budget): Promise<void> {
  await run(
    "budget",
    [keyOf(id), `${keyOf(id)}:runs`],
    [
      String(budget.tokens ?? ""),
      budget.usd === undefined ? "" : nanoUsd(budget.usd),
      String(WITHOUT_RUNS_MS),
    ],
  );
}

function keyOf(id: string): string {
  return shardKeys(0).batchPrefix + id;
}
