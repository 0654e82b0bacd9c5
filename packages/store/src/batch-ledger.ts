/** What the ledger does with whole batches, as functions bound to one connection. */
import type { Budget } from "@baton/core";
import { type BatchPageOptions, pageOfBatch } from "./batch-page.ts";
import {
  batchEnded,
  batchPools,
  countBatch,
  type EndingsPage,
  type OpenBatch,
  openBatch,
  readBatch,
  sealBatch,
  setBatchBudget,
  setBatchWeight,
} from "./batches.ts";
import { type BatchListPage, listBatches } from "./list-batches.ts";
import type { RedisClient } from "./redis-client.ts";
import type { RunScript } from "./scripts.ts";

export function createBatchLedger(redis: RedisClient, run: RunScript, shards: number) {
  return {
    openBatch: (open: OpenBatch) => openBatch(run, shards, open),
    /** Says that all runs of the batch are in. */
    sealBatch: (id: string, lines: number) => sealBatch(run, shards, id, lines),
    batch: (id: string) => readBatch(redis, shards, id),
    batches: (page: BatchListPage) => listBatches(redis, shards, page),
    countBatch: (id: string) => countBatch(redis, run, shards, id),
    batchPools: (id: string) => batchPools(redis, shards, id),
    batchEnded: (id: string, page: EndingsPage) => batchEnded(redis, shards, id, page),
    batchPage: (id: string, page: BatchPageOptions) => pageOfBatch(run, shards, id, page),
    setBatchBudget: (id: string, budget: Budget) => setBatchBudget(run, shards, id, budget),
    setBatchWeight: (id: string, weight: number) => setBatchWeight(run, shards, id, weight),
  };
}
