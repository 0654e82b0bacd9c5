/** A real Redis Cluster of six processes: runs on all of its primaries, and one of these dies in the middle of the work. */
import { modelIdSchema, type RunId, shardOf } from "@baton/core";
import { connectStore, openLedgerConnection, readHealth, shardKeys } from "@baton/store";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { scriptedModels } from "../support/scripted-model.ts";
import { until } from "../support/until.ts";
import { openRig } from "../support/worker-rig.ts";
import { documentedUser, refusedBy } from "./documented-user.ts";
import { type RedisCluster, startCluster } from "./redis-cluster.ts";
import { expectDone, FIRST, PATTERNS, relay, spread, submit } from "./relay.ts";

/** `{baton}` … `{baton-3}` lie on all three primaries. */
const SHARDS = 4;
const pool = modelIdSchema.parse(FIRST);
const inTime = () => AbortSignal.timeout(40_000);

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
beforeEach(async () => {
  for (const { client } of await cluster.primaries()) await client.flushall();
});
afterAll(() => cluster[Symbol.asyncDispose]());

test("runs, a batch's counts, watching and cancelling work over all primaries", async () => {
  await using rig = await openRig(cluster.url, {}, SHARDS);
  const models = scriptedModels(relay);
  await rig.startWorker({ adapters: models.adapters, patterns: PATTERNS });
  const ids = await Promise.all(
    Array.from({ length: 60 }, (_, line) => submit(rig, "one", { batch: { id: "b", customId: `l${line}` } })),
  );
  await expectDone(rig, ids, inTime());
  expect(Math.min(...spread(ids, SHARDS))).toBeGreaterThan(5);
  expect(models.calls).toHaveLength(120);
  for (const { client } of await cluster.primaries()) expect(await client.dbsize()).toBeGreaterThan(50);
  expect(await rig.ledger.countBatch("b")).toMatchObject({ queued: 0, running: 0, succeeded: 60 });
  expect((await rig.ledger.batch("b")).tokens).toBe(60 * 2 * 15);
  expect(await rig.ledger.list("succeeded", { limit: 100 })).toHaveLength(60);
}, 60_000);

test("the reconciler gives back what is lost on each primary, and finds records that no index has", async () => {
  await using rig = await openRig(cluster.url, {}, SHARDS);
  const ids: RunId[] = [];
  for (let run = 0; run < 16; run += 1) {
    const id = await submit(rig, `run ${run}`);
    ids.push(id);
    await rig.queues.queueOf(pool, shardOf(id)).remove(`${id}-1`);
    const { live, status } = shardKeys(shardOf(id));
    // By SCAN alone, on the server that has the shard, it is found again.
    if (run % 2 === 0) await rig.ledger.redis.zrem(live, id);
    if (run % 2 === 0) await rig.ledger.redis.zrem(status, `live/${id}`);
  }
  await rig.startWorker({ adapters: scriptedModels(relay).adapters, patterns: PATTERNS });
  await expectDone(rig, ids, inTime());
  const { healed } = await readHealth(rig.ledger.redis, { shards: SHARDS });
  expect(healed).toMatchObject({ entry_missing: 16, index: 8 });
}, 60_000);

test("a cluster's primaries are checked when the store is opened, each of them", async () => {
  const open = () =>
    connectStore({ url: cluster.url, retentionMs: 0, onError: () => undefined, shards: SHARDS });
  {
    await using store = await open();
    expect(store).toMatchObject({ shards: SHARDS, fitness: { persistence: "aof", warnings: [] } });
  }
  const last = (await cluster.primaries()).at(-1);
  await last?.client.config("SET", "maxmemory-policy", "allkeys-lru");
  await expect(open()).rejects.toMatchObject({
    code: "redis_unfit",
    message: expect.stringMatching(/^127\.0\.0\.1:\d+: .*maxmemory-policy noeviction/),
  });
  await last?.client.config("SET", "maxmemory-policy", "noeviction");
});

test("the documented user is enough on a cluster, too", async () => {
  for (const { client } of cluster.servers)
    await client.call("ACL", "SETUSER", "baton", ...documentedUser("s3cret"));
  const url = cluster.url.replace("//", "//baton:s3cret@");
  await using store = await connectStore({ url, retentionMs: 0, onError: () => undefined, shards: SHARDS });
  expect(store.shards).toBe(SHARDS);
  await using rig = await openRig(url, {}, SHARDS);
  await rig.startWorker({ adapters: scriptedModels(relay).adapters, patterns: PATTERNS });
  const ids = await Promise.all(Array.from({ length: 12 }, (_, run) => submit(rig, `run ${run}`)));
  await expectDone(rig, ids, inTime());
  await until(async () => (await readHealth(rig.ledger.redis, { shards: SHARDS })).lastPass !== undefined, {
    what: "a pass of the reconciler in each shard",
  });
  const logs = await Promise.all(cluster.servers.map(({ client }) => refusedBy(client)));
  expect([...new Set(logs.flat())]).toEqual(["config|get"]);
}, 60_000);

/** From the loss to the end of all runs: the failover, and a few seconds until every client has seen it. */
const RECOVERY_MS_MAX = 30_000;

/** Clients that come while a primary is away. They are many, because each asks a few of the nodes, whichever these are. */
function openNewcomers(key: string) {
  const opened = Array.from({ length: 12 }, () =>
    openLedgerConnection({ url: cluster.url, onError: () => undefined }),
  );
  return {
    answered: Promise.all(opened.map((redis) => redis.exists(key))),
    [Symbol.asyncDispose]: async () => {
      for (const redis of opened) redis.disconnect();
    },
  };
}

test.each([
  { how: "kill", shard: 0 },
  { how: "freeze", shard: 2 },
] as const)(
  "a primary is lost ($how) while runs go on: all of them end, and nothing written is bought again",
  async ({ how, shard }) => {
    await using rig = await openRig(cluster.url, {}, SHARDS);
    const models = scriptedModels(relay);
    await rig.startWorker({ adapters: models.adapters, patterns: PATTERNS, concurrency: 8 });
    await rig.startWorker({ adapters: models.adapters, patterns: PATTERNS, concurrency: 8 });
    const submitted: Promise<RunId>[] = [];
    // Half of them wait for their turn in a batch.
    const batchOf = (run: number) =>
      run % 2 === 0 ? undefined : { id: `half-${how}`, customId: `run ${run}`, admit: true };
    const submitOne = (run: number) =>
      submit(rig, `run ${run}`, { idempotencyKey: `key ${run}`, batch: batchOf(run) });
    const submitSome = (count: number) => {
      for (let run = 0; run < count; run += 1) submitted.push(submitOne(submitted.length));
    };
    submitSome(100);
    await until(() => models.calls.length > 40, { what: "the runs to go on" });
    const lostAt = performance.now();
    const failover = cluster.failOver(shardKeys(shard).status, how);
    await using newcomers = openNewcomers(shardKeys(shard).status);
    // Those of the lost primary's shards wait for its replica.
    submitSome(60);
    await failover;
    submitSome(40);
    await Promise.all(submitted);
    // Replicas follow a moment behind: what the lost primary took in its last one may be gone, so it is sent again.
    const ids = await Promise.all(submitted.map((_, run) => submitOne(run)));
    await expectDone(rig, ids, inTime());
    await newcomers.answered;
    expect(performance.now() - lostAt).toBeLessThan(RECOVERY_MS_MAX);
    expect(new Set(ids).size).toBe(200);
    expect(await rig.ledger.count("succeeded")).toBe(200);
    expect(await rig.ledger.countBatch(`half-${how}`)).toMatchObject({
      queued: 0,
      running: 0,
      succeeded: 100,
    });
    // What was in flight with the lost primary may be bought twice, and next to nothing else.
    expect(models.calls.length).toBeLessThanOrEqual(400 + 2 * 16);
  },
  60_000,
);

/** Keeps a server busy up to a time, in seconds. */
const BUSY =
  "repeat local now = redis.call('TIME') until tonumber(now[1]) >= tonumber(ARGV[1]) return 'free'";

test("what was pipelined to a primary that dies is answered in the end, whatever part it had answered", async () => {
  const redis = openLedgerConnection({ url: cluster.url, onError: () => undefined });
  const { status } = shardKeys(1);
  await redis.set(`${status}:first`, "connected");
  const owner = await cluster.ownerOf(status);
  await owner?.client.config("SET", "busy-reply-threshold", "50");
  const write = (place: number) => redis.set(`${status}:${place}`, "x".repeat(4_000));
  // A server answers a pipeline as it reads it: the writes before the script are answered, those behind it are not.
  const before = Array.from({ length: 50 }, (_, place) => write(place));
  const busy = redis.eval(BUSY, 1, status, Math.ceil(Date.now() / 1_000) + 3);
  const behind = Array.from({ length: 50 }, (_, place) => write(50 + place));
  const why = () => owner?.client.ping().then(String, String);
  await until(async () => (await why())?.includes("BUSY"), { what: "the script to be at work" });
  await cluster.failOver(status, "kill", owner);
  expect(await busy).toBe("free");
  expect(await Promise.all([...before, ...behind])).toEqual(Array(100).fill("OK"));
  expect(await redis.get(`${status}:99`)).toHaveLength(4_000);
  redis.disconnect();
}, 60_000);
