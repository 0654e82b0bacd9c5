/** The list of batches on several shards: each once, by pages of any length, whenever it came to which shard. */
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { admissionKeys, shardKeys } from "./keys.ts";
import { createLedger } from "./ledger.ts";
import type { BatchPlace } from "./list-batches.ts";
import { timeAt } from "./redis-client.ts";
import { defineScripts, type RunScript } from "./scripts.ts";
import { spaceBatchesKey } from "./spaces.ts";

const redis = useRedis();
const SHARDS = 3;
const listsOf = (shard: number) => [admissionKeys(shard).batches, spaceBatchesKey(shard, "acme")];

test("a batch is opened at one time on all shards, however long it takes to reach them", async () => {
  const client = redis.connect();
  const run = defineScripts(client);
  let last = 0;
  const slowly: RunScript = async (...call) => {
    while ((await timeAt(client, shardKeys(0).workers)) === last);
    const reply = await run(...call);
    last = await timeAt(client, shardKeys(0).workers);
    return reply;
  };
  const ledger = createLedger(client, { retentionMs: 0, shards: SHARDS }, slowly);
  expect(await ledger.openBatch({ id: "acme/b" })).toBe("opened");
  await ledger.setBatchWeight("acme/new", 2);
  expect(await ledger.openBatch({ id: "acme/b" })).toBe("known");
  for (const id of ["acme/b", "acme/new"]) {
    const { createdAt } = await ledger.batch(id);
    for (let shard = 0; shard < SHARDS; shard += 1) {
      for (const list of listsOf(shard)) expect(Number(await client.zscore(list, id))).toBe(createdAt);
    }
  }
});

test.each([1, 2, 7, 200])("batches come once, in one order, by pages of %d", async (limit) => {
  const client = redis.connect();
  const ledger = createLedger(client, { retentionMs: 0, shards: SHARDS });
  const places: BatchPlace[] = [];
  for (let batch = 0; batch < 60; batch += 1) {
    const id = `acme/b${(batch * 7) % 60}`;
    // Not on each shard, on some of them later than on others, and some at the same time as others.
    const on = [0, 1, 2].filter((shard) => shard === batch % 3 || (batch + shard) % 4 < 2);
    const times = on.map((shard) => 1_000 + 10 * Math.floor(batch / 4) + 13 * ((batch + 3 * shard) % 5));
    for (const [nth, shard] of on.entries()) {
      for (const list of listsOf(shard)) await client.zadd(list, times[nth] ?? 0, id);
    }
    places.push({ id, at: Math.min(...times) });
  }
  const expected = places.sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1));
  for (const namespace of [undefined, "acme"]) {
    const seen: string[] = [];
    for (let before: BatchPlace | undefined; ; ) {
      const page = await ledger.batches({ from: 0, limit, namespace, before });
      seen.push(...page);
      if (page.length < limit) break;
      before = expected.find(({ id }) => id === page.at(-1));
    }
    expect(seen).toEqual(expected.map(({ id }) => id));
    expect(await ledger.batches({ from: 9, limit: 20, namespace })).toEqual(seen.slice(9, 29));
  }
});

test("a page goes on behind a batch that has left the list", async () => {
  const client = redis.connect();
  const ledger = createLedger(client, { retentionMs: 0, shards: SHARDS });
  for (const [at, id] of ["a", "b", "c", "d"].entries()) {
    await client.zadd(admissionKeys(at % SHARDS).batches, 1_000 + Math.floor(at / 2), id);
  }
  const page = { from: 0, limit: 9 };
  expect(await ledger.batches(page)).toEqual(["d", "c", "b", "a"]);
  await client.zrem(admissionKeys(2).batches, "c");
  expect(await ledger.batches({ ...page, before: { id: "c", at: 1_001 } })).toEqual(["b", "a"]);
  await client.zrem(admissionKeys(1).batches, "b");
  expect(await ledger.batches({ ...page, before: { id: "b", at: 1_000 } })).toEqual(["a"]);
});
