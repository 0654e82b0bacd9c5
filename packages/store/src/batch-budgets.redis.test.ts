import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { BatchBudgets } from "./batch-budgets.ts";
import { batchPools, openBatch, readBatch } from "./batches.ts";
import { shardKeys } from "./keys.ts";
import { defineScripts } from "./scripts.ts";

const redis = useRedis();
const SHARDS = 3;
const keyOf = (shard: number) => `${shardKeys(shard).batchPrefix}b`;

test("each shard of a batch with a budget is told what was spent on the others", async () => {
  const connection = redis.connect();
  const run = defineScripts(connection);
  await openBatch(run, SHARDS, { id: "b", budget: { tokens: 100 } });
  await connection.hset(keyOf(0), "tokens", "40", "cost", "7");
  await connection.hset(keyOf(2), "tokens", "60");
  const budgets = new BatchBudgets(connection, SHARDS);
  await budgets.pass();
  const told = await Promise.all(
    [0, 1, 2].map((shard) => connection.hmget(keyOf(shard), "tokens_elsewhere", "cost_elsewhere")),
  );
  expect(told).toEqual([
    ["60", "0"],
    ["100", "7"],
    ["40", "7"],
  ]);
  expect(await readBatch(connection, SHARDS, "b")).toMatchObject({ tokens: 100, isSpent: true });
  expect(await batchPools(connection, SHARDS, "b")).toEqual(new Map());
});

test("a batch without a budget is left alone, and so is a store of one shard", async () => {
  const connection = redis.connect();
  const run = defineScripts(connection);
  await openBatch(run, SHARDS, { id: "b" });
  await connection.hset(keyOf(0), "tokens", "40");
  await new BatchBudgets(connection, SHARDS).pass();
  expect(await connection.hget(keyOf(1), "tokens_elsewhere")).toBeNull();
  await openBatch(run, 1, { id: "c", budget: { tokens: 1 } });
  await new BatchBudgets(connection, 1).pass();
  expect(await connection.hget(`${shardKeys(0).batchPrefix}c`, "tokens_elsewhere")).toBeNull();
});
