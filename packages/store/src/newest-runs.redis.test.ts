/** Pages over runs, newest first: each run once, whatever its status and shard, and whoever comes, moves and goes meanwhile. */
import { newBatchRunId, type RunId } from "@baton/core";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { BATCH_GROUPS, type BatchGroup } from "./batch-page.ts";
import { shardKeys, spaceKeys } from "./keys.ts";
import { type NewestPage, newestRuns } from "./newest-runs.ts";
import type { RedisClient } from "./redis-client.ts";
import { defineScripts } from "./scripts.ts";

const redis = useRedis();
const SHARDS = 3;
const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));

const shardIn = (id: RunId): number => Number(id.split("_")[1]);
const ofAll = (id: RunId): string => shardKeys(shardIn(id)).status;
const ofBatch = (id: RunId): string => `${shardKeys(shardIn(id)).batchPrefix}b:runs`;
const ofSpace = (id: RunId): string => `${spaceKeys(shardIn(id)).spacePrefix}n:runs`;
const spread = (place: number): BatchGroup => BATCH_GROUPS[(place * place) % 5] ?? "live";

/** The id of the run that is the n-th to come; spread over shards. */
const idAt = (place: number): RunId =>
  newBatchRunId((place * 7) % SHARDS, { at: 1_000, line: place }, { random });

/** Puts `count` runs into an index; the newest first. */
async function fill(client: RedisClient, count: number, indexOf = ofAll, groupOf = spread) {
  const ids = Array.from({ length: count }, (_, place) => idAt(place));
  for (const [place, id] of ids.entries()) await client.zadd(indexOf(id), 0, `${groupOf(place)}/${id}`);
  return ids.reverse();
}

async function pages(
  client: RedisClient,
  options: Omit<NewestPage, "before">,
  between: (page: number) => Promise<void> = async () => undefined,
): Promise<readonly (readonly RunId[])[]> {
  const source = { redis: client, run: defineScripts(client), shards: SHARDS };
  const found: (readonly RunId[])[] = [];
  let before: RunId | undefined;
  let hasMore = true;
  while (hasMore) {
    const page = await newestRuns(source, { ...options, before });
    found.push(page.ids);
    before = page.ids.at(-1);
    hasMore = page.hasMore;
    await between(found.length);
  }
  return found;
}

describe("pages of runs", () => {
  test.each([1, 7, 59, 60, 1_000])(
    "are full but for the last one, and that is not empty: by %d",
    async (limit) => {
      const client = redis.connect();
      const ids = await fill(client, 60);
      const found = await pages(client, { limit });
      expect(found.flat()).toEqual(ids);
      expect(found.length).toBe(Math.ceil(60 / limit));
    },
  );

  test("of a status leave the others out", async () => {
    const client = redis.connect();
    const ids = await fill(client, 60);
    const expected = ids.filter((_, place) => spread(59 - place) === "failed");
    expect((await pages(client, { limit: 4, status: "failed" })).flat()).toEqual(expected);
  });

  test("of one shard and one group are whole", async () => {
    const client = redis.connect();
    const ids = (await fill(client, 30, ofAll, () => "live")).filter((id) => shardIn(id) === 0);
    const source = { redis: client, run: defineScripts(client), shards: 1 };
    const first = await newestRuns(source, { limit: 6 });
    expect(first).toEqual({ ids: ids.slice(0, 6), hasMore: true });
    const rest = await newestRuns(source, { limit: 6, before: first.ids.at(-1) });
    expect(rest).toEqual({ ids: ids.slice(6), hasMore: false });
  });

  test.each([
    ["a batch", ofBatch, { batch: "b", namespace: "n" }],
    ["a namespace", ofSpace, { namespace: "n" }],
  ] as const)("of %s have its own runs alone", async (_, indexOf, whose) => {
    const client = redis.connect();
    await fill(client, 20);
    const own = await fill(client, 20, indexOf);
    expect((await pages(client, { limit: 3, ...whose })).flat()).toEqual(own);
  });

  test("have each run once, though all move, new ones come and old ones go between them", async () => {
    const client = redis.connect();
    const ids = await fill(client, 60, ofAll, () => "live");
    const churn = async (page: number): Promise<void> => {
      const [from, to] = page % 2 === 1 ? ["live", "succeeded"] : ["succeeded", "live"];
      for (const id of ids) {
        const moved = await client.zrem(ofAll(id), `${from}/${id}`);
        if (moved === 1) await client.zadd(ofAll(id), 0, `${to}/${id}`);
      }
      const added = idAt(1_000 + page);
      await client.zadd(ofAll(added), 0, `live/${added}`);
      // The last one of the page that was just given: the next page begins at its place all the same.
      const last = ids[page * 7 - 1];
      if (last !== undefined) await client.zrem(ofAll(last), `live/${last}`, `succeeded/${last}`);
    };
    expect((await pages(client, { limit: 7 }, churn)).flat()).toEqual(ids);
  });
});

describe("queued runs, and those at work among them", () => {
  /** 60 of them, the newest first; each second is of the batch, each third of the namespace. */
  async function fillLive(isAtWork: (place: number) => boolean) {
    const client = redis.connect();
    const ids = Array.from({ length: 60 }, (_, place) => idAt(place)).reverse();
    for (const [place, id] of ids.entries()) {
      await client.zadd(ofAll(id), 0, `live/${id}`);
      if (place % 2 === 0) await client.zadd(ofBatch(id), 0, `live/${id}`);
      if (place % 3 === 0) await client.zadd(ofSpace(id), 0, `live/${id}`);
      if (isAtWork(place)) await client.zadd(shardKeys(shardIn(id)).running, 1, id);
    }
    return { client, ids };
  }

  test.each([
    ["all", {}, 1],
    ["a batch", { batch: "b", namespace: "n" }, 2],
    ["a namespace", { namespace: "n" }, 3],
  ] as const)("are told apart, of %s, by pages that are full but for the last", async (_, whose, every) => {
    const isAtWork = (place: number): boolean => place < 20 || place % 5 === 0;
    const { client, ids } = await fillLive(isAtWork);
    for (const status of ["queued", "running"] as const) {
      const own = ids.filter((_, place) => place % every === 0 && isAtWork(place) === (status === "running"));
      const found = await pages(client, { limit: 4, status, ...whose });
      expect(found.flat()).toEqual(own);
      expect(found.length).toBe(Math.ceil(own.length / 4));
    }
  });

  test("are found behind any number of those at work", async () => {
    const client = redis.connect();
    const ids = Array.from({ length: 1_200 }, (_, place) =>
      newBatchRunId(0, { at: 1_000, line: place }, { random }),
    ).reverse();
    await client.zadd(shardKeys(0).status, ...ids.flatMap((id) => ["0", `live/${id}`]));
    await client.zadd(shardKeys(0).running, ...ids.slice(0, 1_100).flatMap((id) => ["1", id]));
    const source = { redis: client, run: defineScripts(client), shards: 1 };
    const page = await newestRuns(source, { limit: 10, status: "queued" });
    expect(page).toEqual({ ids: ids.slice(1_100, 1_110), hasMore: true });
  });
});
