/** Four shards on one plain Redis: everything that goes over all of them gives what one shard would. */
import { setTimeout as delay } from "node:timers/promises";
import { modelIdSchema, parseRunSpec, type RunId, runIdSchema, shardOf } from "@baton/core";
import { connectStore, listPools, readBacklog, readHealth, shardKeys } from "@baton/store";
import { describe, expect, test } from "vitest";
import { useRedis } from "../support/redis.ts";
import { scriptedModels } from "../support/scripted-model.ts";
import { until } from "../support/until.ts";
import { openRig } from "../support/worker-rig.ts";
import { expectDone, FIRST, PATTERNS, relay, SECOND, spread, submit } from "./relay.ts";

const SHARDS = 4;
const redis = useRedis();
const inTime = () => AbortSignal.timeout(20_000);
const pool = modelIdSchema.parse(FIRST);

test("runs of all shards are handed on and end, each once, by one worker", async () => {
  await using rig = await openRig(redis.url, {}, SHARDS);
  const models = scriptedModels(relay);
  await rig.startWorker({ adapters: models.adapters, patterns: PATTERNS });
  const ids = await Promise.all(Array.from({ length: 80 }, (_, run) => submit(rig, `run ${run}`)));
  await expectDone(rig, ids, inTime());
  expect(Math.min(...spread(ids, SHARDS))).toBeGreaterThan(5);
  expect(models.calls).toHaveLength(160);
  expect(await rig.ledger.count("succeeded")).toBe(80);
  expect(await listPools(rig.ledger.redis, SHARDS)).toEqual([FIRST, SECOND]);
  expect([...(await readBacklog(rig.ledger.redis, SHARDS)).values()]).toEqual([0, 0]);
});

test("a list goes page by page over all shards, newest first, and misses nothing", async () => {
  await using rig = await openRig(redis.url, {}, SHARDS);
  const ids: RunId[] = [];
  for (let run = 0; run < 30; run += 1) ids.push(await submit(rig, `run ${run}`));
  const seen: RunId[] = [];
  for (let before: RunId | undefined; ; before = seen.at(-1)) {
    const page = await rig.ledger.list("queued", { limit: 7, before });
    if (page.length === 0) break;
    seen.push(...page);
    expect(page.length).toBeLessThanOrEqual(7);
  }
  expect(seen.toSorted()).toEqual(ids.toSorted());
  const times = seen.map((id) => id.slice(4, 14));
  expect(times).toEqual(times.toSorted().toReversed());
  expect(await rig.ledger.count("queued")).toBe(30);
  expect((await rig.queues.countsOf(pool)).prioritized).toBe(30);
  expect((await readBacklog(rig.ledger.redis, SHARDS)).get(pool)).toBe(30);
});

test("the same key is found again in its shard, and another body is a conflict (R8)", async () => {
  await using rig = await openRig(redis.url, {}, SHARDS);
  for (const idempotencyKey of ["order-1", "order-2", "order-3", "order-4", "order-5"]) {
    const id = await submit(rig, "once", { idempotencyKey });
    expect(await submit(rig, "once", { idempotencyKey })).toBe(id);
    await expect(submit(rig, "other", { idempotencyKey })).rejects.toMatchObject({ code: "conflict" });
  }
  expect(await rig.ledger.count("queued")).toBe(5);
});

test("a batch is admitted in all shards, and its budget holds for all of them together", async () => {
  await using rig = await openRig(redis.url, {}, SHARDS);
  const models = scriptedModels(async (...asked) => {
    await delay(100);
    return relay(...asked);
  });
  await rig.startWorker({ adapters: models.adapters, patterns: PATTERNS, concurrency: 4 });
  async function* lines() {
    for (let line = 0; line < 200; line += 1) {
      yield {
        kind: "run" as const,
        line,
        customId: `run ${line}`,
        spec: parseRunSpec({ input: "go", model: SECOND }),
      };
    }
  }
  // A reply takes 15 tokens.
  const submission = await rig.producer.submitBatch(lines(), { id: "b", budget: { tokens: 600 } }, inTime());
  expect(submission).toMatchObject({ created: 200, isWhole: true });
  await until(async () => (await rig.ledger.batch("b")).isSpent, { what: "the budget to be spent" });
  await until(async () => (await rig.ledger.countBatch("b")).running === 0, { what: "what runs to end" });
  const spent = (await rig.ledger.batch("b")).tokens;
  // Each shard hears of the others once a second, and four calls are under way.
  expect(spent).toBeLessThan(200 * 15);
  await rig.producer.setBatchBudget("b", {});
  for await (const { id } of rig.producer.select({ batch: "b", status: "waiting" }))
    await rig.producer.resume(id);
  await until(async () => (await rig.ledger.countBatch("b")).succeeded === 200, {
    what: "all to succeed",
    withinMs: 20_000,
  });
  expect(models.calls).toHaveLength(200);
});

test("a batch is spread over the shards and counted as one", async () => {
  await using rig = await openRig(redis.url, {}, SHARDS);
  const ids = await Promise.all(
    Array.from({ length: 40 }, (_, line) => submit(rig, "one", { batch: { id: "b", customId: `l${line}` } })),
  );
  expect(Math.min(...spread(ids, SHARDS))).toBeGreaterThan(2);
  await rig.startWorker({ adapters: scriptedModels(relay).adapters, patterns: PATTERNS });
  await expectDone(rig, ids, inTime());
  expect(await rig.ledger.countBatch("b")).toMatchObject({ queued: 0, running: 0, succeeded: 40 });
  expect((await rig.ledger.batch("b")).tokens).toBe(40 * 2 * 15);
  const listed = await rig.ledger.list("succeeded", { limit: 100, batch: "b" });
  expect(listed.toSorted()).toEqual(ids.toSorted());
});

test("an entry that is lost is given back in each shard, by the leader of that shard", async () => {
  await using rig = await openRig(redis.url, {}, SHARDS);
  const ids = await Promise.all(Array.from({ length: 24 }, (_, run) => submit(rig, `run ${run}`)));
  expect(Math.min(...spread(ids, SHARDS))).toBeGreaterThan(0);
  for (const id of ids) await rig.queues.queueOf(pool, shardOf(id)).remove(`${id}-1`);
  await rig.startWorker({ adapters: scriptedModels(relay).adapters, patterns: PATTERNS });
  await expectDone(rig, ids, inTime());
  const health = await readHealth(rig.ledger.redis, { shards: SHARDS, latest: 100 });
  expect(health.healed).toEqual({ entry_missing: 24 });
  expect(health.latest).toHaveLength(24);
  expect(health.leader?.id).toBe("w1");
});

test("a cancelled run of any shard is let go at once, and a member that is no run of the shard is taken out", async () => {
  await using rig = await openRig(redis.url, {}, SHARDS);
  const started = new Set<string>();
  let letGo = 0;
  const models = scriptedModels(async ({ items }, signal) => {
    const said = items[0]?.parts[0];
    started.add(said?.type === "text" ? said.text : "");
    await until(() => signal.aborted, { what: "the abort" });
    letGo += 1;
    return { parts: [] };
  });
  await rig.startWorker({ adapters: models.adapters, patterns: PATTERNS });
  const ids = await Promise.all(Array.from({ length: 12 }, (_, run) => submit(rig, `run ${run}`)));
  await until(() => started.size === 12, { what: "all runs at work" });
  const stranger = runIdSchema.parse(`r_2_${"0".repeat(26)}`);
  await rig.ledger.redis.zadd(shardKeys(1).live, 1, stranger);
  await Promise.all(ids.map((id) => rig.producer.cancel(id)));
  for (const id of ids) expect((await rig.producer.result(id, inTime())).status).toBe("cancelled");
  await until(() => letGo === 12, { what: "all calls to be let go", withinMs: 5_000 });
  await until(async () => (await rig.ledger.redis.zcard(shardKeys(1).live)) === 0, {
    what: "the stranger to be taken out",
  });
});

describe("the number of shards", () => {
  const open = async (shards?: number) => {
    await using store = await connectStore({
      url: redis.url,
      retentionMs: 0,
      onError: () => undefined,
      shards,
    });
    return store.shards;
  };

  test("is fixed by the first who comes, and told to who does not ask", async () => {
    expect(await open(4)).toBe(4);
    expect(await open()).toBe(4);
    expect(await open(4)).toBe(4);
    await expect(open(2)).rejects.toMatchObject({
      code: "redis_unfit",
      message: expect.stringMatching(/made with 4 shards, and BATON_SHARDS wants 2/),
    });
  });

  test("is one without a wish, and of a store that was there before", async () => {
    expect(await open()).toBe(1);
    await expect(open(4)).rejects.toMatchObject({ code: "redis_unfit" });
    await redis.connect().flushall();
    await using rig = await openRig(redis.url);
    await submit(rig, "from before");
    await expect(open(4)).rejects.toMatchObject({ code: "redis_unfit" });
    expect(await open()).toBe(1);
  });

  test.each([0, 257, 1.5])("is not %d", async (shards) => {
    await expect(open(shards)).rejects.toMatchObject({ code: "invalid_config" });
  });
});
