/** Pages over runs, newest first: each run once, whatever its status and shard, and whoever comes, moves and goes meanwhile. */
import { newBatchRunId, type RunId } from "@baton/core";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { BATCH_GROUPS, type BatchGroup } from "./batch-page.ts";
import { runKeys, shardKeys, spaceKeys } from "./keys.ts";
import { type NewestPage, newestRunning, newestRuns } from "./newest-runs.ts";
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
  options: Omit<NewestPage, "before"> & { readonly groups?: readonly BatchGroup[] },
  between: (page: number) => Promise<void> = async () => undefined,
): Promise<readonly (readonly RunId[])[]> {
  const run = defineScripts(client);
  const found: (readonly RunId[])[] = [];
  let before: RunId | undefined;
  let hasMore = true;
  while (hasMore) {
    const page = await newestRuns(run, SHARDS, { ...options, before });
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

  test("of a group leave the others out", async () => {
    const client = redis.connect();
    const ids = await fill(client, 60);
    const expected = ids.filter((_, place) => spread(59 - place) === "failed");
    expect((await pages(client, { limit: 4, groups: ["failed"] })).flat()).toEqual(expected);
  });

  test("of one shard and one group are whole", async () => {
    const client = redis.connect();
    const ids = (await fill(client, 30, ofAll, () => "live")).filter((id) => shardIn(id) === 0);
    const run = defineScripts(client);
    const first = await newestRuns(run, 1, { limit: 6 });
    expect(first).toEqual({ ids: ids.slice(0, 6), hasMore: true });
    const rest = await newestRuns(run, 1, { limit: 6, before: first.ids.at(-1) });
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

test("runs at work are found among their batch's or namespace's queued ones without a look at those", async () => {
  const client = redis.connect();
  const ids = Array.from({ length: 12 }, (_, place) => idAt(place)).reverse();
  for (const [place, id] of ids.entries()) {
    await client.zadd(shardKeys(shardIn(id)).running, 1, id);
    const fields = { batch: place % 2 === 0 ? "b" : "other", namespace: place % 3 === 0 ? "n" : "other" };
    await client.hset(runKeys(id).run, fields);
  }
  const run = defineScripts(client);
  const of = (page: NewestPage) => newestRunning(client, run, SHARDS, page);
  expect(await of({ limit: 5 })).toEqual({ ids: ids.slice(0, 5), hasMore: true });
  expect(await of({ limit: 9, before: ids[4] })).toEqual({ ids: ids.slice(5), hasMore: false });
  const batch = ids.filter((_, place) => place % 2 === 0);
  expect(await of({ limit: 9, batch: "b" })).toEqual({ ids: batch, hasMore: false });
  expect(await of({ limit: 9, namespace: "n" })).toEqual({
    ids: ids.filter((_, place) => place % 3 === 0),
    hasMore: false,
  });
  expect(await of({ limit: 9, batch: "b", namespace: "n" })).toEqual({
    ids: ids.filter((_, place) => place % 6 === 0),
    hasMore: false,
  });
});
