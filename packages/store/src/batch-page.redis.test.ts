/** Pages over the runs of a batch: in the order of its lines, whatever their status and shard, each once. */
import { newBatchRunId, type RunId } from "@baton/core";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { BATCH_GROUPS, type BatchGroup, pageOfBatch } from "./batch-page.ts";
import { shardKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import { defineScripts } from "./scripts.ts";

const redis = useRedis();
const SHARDS = 3;
const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));

/** A batch of `count` lines, spread over shards and groups. */
async function fill(count: number, groupOf: (line: number) => BatchGroup) {
  const client = redis.connect();
  const ids: RunId[] = [];
  for (let line = 0; line < count; line += 1) {
    const shard = (line * 7) % SHARDS;
    const id = newBatchRunId(shard, { at: 1_000, line }, { random });
    ids.push(id);
    await client.zadd(indexOf(id), 0, `${groupOf(line)}/${id}`);
  }
  return { client, ids };
}

function indexOf(id: RunId): string {
  return `${shardKeys(Number(id.split("_")[1])).batchPrefix}b:runs`;
}

async function pages(
  client: RedisClient,
  options: { readonly limit: number; readonly groups?: readonly BatchGroup[] },
  between: (page: number) => Promise<void> = async () => undefined,
): Promise<RunId[]> {
  const ids: RunId[] = [];
  let after: string | undefined;
  let page = 0;
  do {
    const found = await pageOfBatch(defineScripts(client), SHARDS, "b", { ...options, after });
    ids.push(...found.ids);
    after = found.after;
    page += 1;
    await between(page);
  } while (after !== undefined);
  return ids;
}

const spread = (line: number): BatchGroup => BATCH_GROUPS[(line * line) % 5] ?? "live";

describe("the runs of a batch", () => {
  test.each([1, 3, 50, 1_000])("come in the order of its lines, by pages of %d", async (limit) => {
    const { client, ids } = await fill(60, spread);
    expect(await pages(client, { limit })).toEqual(ids);
  });

  test("of some groups leave the others out", async () => {
    const { client, ids } = await fill(60, spread);
    const groups = ["failed", "waiting"] as const;
    const expected = ids.filter((_, line) => spread(line) === "failed" || spread(line) === "waiting");
    expect(await pages(client, { limit: 4, groups })).toEqual(expected);
  });

  test("are met once, though they move between the pages", async () => {
    const { client, ids } = await fill(60, () => "live");
    const move = async (page: number): Promise<void> => {
      const [from, to] = page % 2 === 1 ? ["live", "succeeded"] : ["succeeded", "live"];
      for (const id of ids) {
        const moved = await client.zrem(indexOf(id), `${from}/${id}`);
        if (moved === 1) await client.zadd(indexOf(id), 0, `${to}/${id}`);
      }
    };
    expect(await pages(client, { limit: 7 }, move)).toEqual(ids);
  });

  test("are none of an unknown batch", async () => {
    expect(await pageOfBatch(defineScripts(redis.connect()), SHARDS, "b", { limit: 10 })).toEqual({
      ids: [],
      after: undefined,
    });
  });
});
