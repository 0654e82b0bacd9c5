/** A primary, a replica and three sentinels: the primary hangs in the middle of the work, and nobody is told by hand. */
import type { RunId } from "@baton/core";
import { connectStore } from "@baton/store";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RedisServer } from "../support/redis-server.ts";
import { scriptedModels } from "../support/scripted-model.ts";
import { until } from "../support/until.ts";
import { openRig } from "../support/worker-rig.ts";
import { expectDone, PATTERNS, relay, submit } from "./relay.ts";

const started = new AsyncDisposableStack();
let primary: RedisServer;
let replica: RedisServer;
let sentinels: readonly RedisServer[] = [];

beforeAll(async () => {
  const settings = ["requirepass s3cret", "masterauth s3cret", "repl-diskless-sync-delay 0"];
  const client = { password: "s3cret" };
  primary = started.use(await RedisServer.start({ settings, client }));
  const follow = `replicaof 127.0.0.1 ${primary.port}`;
  replica = started.use(await RedisServer.start({ settings: [...settings, follow], client }));
  const watch = [
    `sentinel monitor main 127.0.0.1 ${primary.port} 2`,
    "sentinel auth-pass main s3cret",
    "sentinel down-after-milliseconds main 1000",
    "sentinel failover-timeout main 5000",
    "requirepass watch3r",
    "sentinel sentinel-pass watch3r",
  ];
  const start = () =>
    RedisServer.start({ settings: watch, args: ["--sentinel"], client: { password: "watch3r" } });
  sentinels = [started.use(await start()), started.use(await start()), started.use(await start())];
  await until(
    async () => (await Promise.all(sentinels.map(seesAll))).every(Boolean) && (await inStep(replica)),
    { what: "the sentinels to know each other and the replica", withinMs: 30_000 },
  );
});
afterAll(() => started[Symbol.asyncDispose]());

async function seesAll({ client }: RedisServer): Promise<boolean> {
  const info = await client.info("sentinel");
  return /name=main,status=ok,[^\n]*slaves=1,sentinels=3/.test(info);
}

async function inStep({ client }: RedisServer): Promise<boolean> {
  return (await client.info("replication")).includes("master_link_status:up");
}

const urlOf = () => {
  const hosts = sentinels.map(({ address }) => address).join(",");
  return `redis-sentinel://:s3cret@${hosts}/main?sentinel_password=watch3r`;
};

test("the store is opened through the sentinels, and on a replica it is refused", async () => {
  await using store = await connectStore({ url: urlOf(), retentionMs: 0, onError: () => undefined });
  expect(store.fitness).toMatchObject({ persistence: "aof", warnings: [] });
  const url = `redis://:s3cret@${replica.address}`;
  await expect(connectStore({ url, retentionMs: 0, onError: () => undefined })).rejects.toMatchObject({
    code: "redis_unfit",
    message: expect.stringMatching(/is a replica/),
  });
});

test("the primary hangs while runs go on, and another takes its place: all of them end, each once", async () => {
  await using rig = await openRig(urlOf());
  const models = scriptedModels(relay);
  await rig.startWorker({ adapters: models.adapters, patterns: PATTERNS, concurrency: 8 });
  const submitted: Promise<RunId>[] = [];
  const submitOne = (run: number) => submit(rig, `run ${run}`, { idempotencyKey: `key ${run}` });
  const submitSome = (count: number) => {
    for (let run = 0; run < count; run += 1) submitted.push(submitOne(submitted.length));
  };
  submitSome(80);
  await until(() => models.calls.length > 40, { what: "the runs to go on" });
  const lostAt = performance.now();
  primary.freeze();
  // As a worker of a pool that is new: its connection is made to the primary that hangs.
  // Sentinels lead to one server, never to a cluster.
  const late = (rig.ledger.redis as Redis).duplicate();
  late.on("error", () => undefined);
  const answered = late.ping();
  submitSome(40);
  await until(async () => (await replica.client.role())[0] === "master", {
    what: "the replica to be promoted",
    withinMs: 20_000,
  });
  await Promise.all(submitted);
  // The replica follows a moment behind: what the primary took in its last one may be gone, so it is sent again.
  const ids = await Promise.all(submitted.map((_, run) => submitOne(run)));
  await expectDone(rig, ids, AbortSignal.timeout(40_000));
  expect(await answered).toBe("PONG");
  late.disconnect();
  expect(performance.now() - lostAt).toBeLessThan(30_000);
  expect(new Set(ids).size).toBe(120);
  expect(await rig.ledger.count("succeeded")).toBe(120);
  expect(models.calls.length).toBeLessThanOrEqual(240 + 2 * 8);
}, 60_000);
