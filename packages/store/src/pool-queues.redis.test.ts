import { modelIdSchema } from "@baton/core";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { PoolQueues } from "./pool-queues.ts";
import { openBull } from "./testing/bull-rig.ts";
import { ALPHA, BETA, draft } from "./testing/make-run.ts";

const redis = useRedis();

const entryOf = (pool = ALPHA, ticket = 1) => ({ runId: draft().id, ticket, pool });

test("enqueuing an entry twice makes one job, which holds the run and the ticket and nothing else", async () => {
  await using bull = openBull(redis.url);
  const { queues } = bull;
  const entry = entryOf();
  await queues.enqueue(entry);
  await queues.enqueue(entry, { delayMs: 60_000, priority: 3 });
  expect(await queues.countsOf(ALPHA)).toEqual({ waiting: 1, prioritized: 0, delayed: 0, active: 0 });
  const [job] = await queues.queueOf(ALPHA).getJobs(["wait"]);
  expect(job?.id).toBe(`${entry.runId}-1`);
  expect(job?.data).toEqual({ runId: entry.runId, ticket: 1 });
});

test.each(["ollama/qwen3:8b", "gateway/a:b:c", "gateway/50%:x", "openai/ft:gpt-5-mini:org::abc"])(
  "a pool with colons in its name (%s) has a queue of its own",
  async (name) => {
    await using bull = openBull(redis.url);
    const { queues } = bull;
    const entry = entryOf(modelIdSchema.parse(name));
    await queues.enqueue(entry);
    expect(await queues.stateOf(entry)).toBe("present");
    const took: string[] = [];
    bull.work(entry.pool, async (job) => {
      took.push(job.data.runId);
    });
    await until(() => took.length > 0, { what: "the job" });
    expect(took).toEqual([entry.runId]);
    await until(async () => (await queues.stateOf(entry)) === "unknown", { what: "the end of the job" });
  },
);

test("a delayed entry is delayed, and runs at its time", async () => {
  await using bull = openBull(redis.url);
  const { queues } = bull;
  const [soon, later] = [entryOf(), entryOf()];
  await queues.enqueue(later, { delayMs: 600_000 });
  await queues.enqueue(soon, { delayMs: 50 });
  expect(await queues.countsOf(ALPHA)).toEqual({ waiting: 0, prioritized: 0, delayed: 2, active: 0 });
  const took: string[] = [];
  bull.work(ALPHA, async (job) => {
    took.push(job.data.runId);
  });
  await until(() => took.length > 0, { what: "the delayed job" });
  expect(took).toEqual([soon.runId]);
  expect(await queues.stateOf(later)).toBe("present");
});

test("lower numbers come first, and entries without a priority before all numbers, in their order", async () => {
  await using bull = openBull(redis.url);
  const { queues } = bull;
  const [low, high, first, second] = [entryOf(), entryOf(), entryOf(), entryOf()];
  await queues.enqueue(low, { priority: 2_000_000 });
  await queues.enqueue(high, { priority: 1 });
  await queues.enqueue(first);
  await queues.enqueue(second, { priority: 0 });
  expect(await queues.countsOf(ALPHA)).toEqual({ waiting: 2, prioritized: 2, delayed: 0, active: 0 });
  const took: string[] = [];
  bull.work(ALPHA, async (job) => {
    took.push(job.data.runId);
  });
  await until(() => took.length === 4, { what: "all four jobs" });
  expect(took).toEqual([first, second, high, low].map((entry) => entry.runId));
});

describe("the state of an entry:", () => {
  test("present in each list, unknown once it ended, and unknown of another ticket or pool", async () => {
    await using bull = openBull(redis.url);
    const { queues } = bull;
    const entry = entryOf();
    expect(await queues.stateOf(entry)).toBe("unknown");
    await queues.enqueue(entry);
    expect(await queues.stateOf(entry)).toBe("present");
    expect(await queues.stateOf({ ...entry, ticket: 2 })).toBe("unknown");
    expect(await queues.stateOf({ ...entry, pool: BETA })).toBe("unknown");

    const gate = Promise.withResolvers<void>();
    let started = false;
    bull.work(ALPHA, async () => {
      started = true;
      await gate.promise;
    });
    await until(() => started, { what: "the job to start" });
    expect(await queues.stateOf(entry)).toBe("present");
    expect(await queues.countsOf(ALPHA)).toEqual({ waiting: 0, prioritized: 0, delayed: 0, active: 1 });
    gate.resolve();
    await until(async () => (await queues.stateOf(entry)) === "unknown", { what: "the end of the job" });
  });

  test("a job whose hash is left without a place in any list is unknown", async () => {
    await using bull = openBull(redis.url);
    const { queues } = bull;
    const entry = entryOf();
    await queues.enqueue(entry);
    const connection = redis.connect();
    const list = queues.queueOf(ALPHA).toKey("wait");
    expect(await connection.lrem(list, 0, `${entry.runId}-1`)).toBe(1);
    expect(await connection.exists(queues.queueOf(ALPHA).toKey(`${entry.runId}-1`))).toBe(1);
    expect(await queues.stateOf(entry)).toBe("unknown");
  });
});

test("a job that ended and was kept, by whatever hand, is no live entry", async () => {
  await using bull = openBull(redis.url);
  const { queues } = bull;
  const entry = entryOf();
  const data = { runId: entry.runId, ticket: 1 };
  await queues.queueOf(ALPHA).add("phase", data, { jobId: `${entry.runId}-1`, removeOnComplete: false });
  bull.work(ALPHA, async () => undefined);
  await until(async () => (await queues.stateOf(entry)) === "finished", { what: "the end of the job" });
});

test("a queue's own stream of events is capped at 1,000", async () => {
  await using bull = openBull(redis.url);
  const { queues } = bull;
  await queues.enqueue(entryOf());
  const meta = queues.queueOf(ALPHA).toKey("meta");
  const connection = redis.connect();
  await until(async () => (await connection.hget(meta, "opts.maxLenEvents")) === "1000", {
    what: "the cap",
    withinMs: 2_000,
  });
});

test("closing the queues leaves the connection to its owner", async () => {
  const connection = redis.connect();
  const own = new PoolQueues(connection, () => undefined);
  await own.enqueue(entryOf());
  await own.close();
  expect(await connection.ping()).toBe("PONG");
});

describe("entries without a job are told apart from those that have one:", () => {
  test("by the hash, and where it is left, by the lists; one by one or all at once", async () => {
    await using bull = openBull(redis.url);
    const { queues } = bull;
    const connection = redis.connect();
    for (const size of [3, 300]) {
      const there = Array.from({ length: size }, () => entryOf());
      const delayed = entryOf();
      const never = Array.from({ length: size }, () => entryOf());
      const listless = Array.from({ length: size }, () => entryOf());
      const hashless = entryOf();
      for (const entry of [...there, ...listless, hashless]) await queues.enqueue(entry);
      await queues.enqueue(delayed, { delayMs: 60_000 });
      const queue = queues.queueOf(ALPHA);
      for (const { runId } of listless) await connection.lrem(queue.toKey("wait"), 0, `${runId}-1`);
      await connection.del(queue.toKey(`${hashless.runId}-1`));
      const all = [...never, ...there, delayed, hashless, ...listless];
      expect(new Set(await queues.missing(all))).toEqual(new Set([...never, hashless, ...listless]));
      expect(await queues.hashless(all)).toEqual([...never, hashless]);
      await queue.obliterate({ force: true });
    }
  });

  test("in each pool by itself, and nothing is asked for nothing", async () => {
    await using bull = openBull(redis.url);
    const [alpha, beta] = [entryOf(ALPHA), entryOf(BETA)];
    await bull.queues.enqueue(alpha);
    const misplaced = { ...alpha, pool: BETA };
    expect(await bull.queues.missing([alpha, beta, misplaced])).toEqual([beta, misplaced]);
    expect(await bull.queues.missing([])).toEqual([]);
  });
});

test("the ids of all live jobs come by pages, waiting, prioritized, delayed and active", async () => {
  await using bull = openBull(redis.url);
  const { queues } = bull;
  const entries = Array.from({ length: 1_500 }, () => entryOf());
  await Promise.all(entries.map((entry) => queues.enqueue(entry)));
  const others = [entryOf(), entryOf()];
  await queues.enqueue(others[0] ?? entryOf(), { delayMs: 60_000 });
  await queues.enqueue(others[1] ?? entryOf(), { priority: 5 });
  const pages: string[][] = [];
  for (let page = 0; page < 3; page += 1) pages.push([...(await queues.jobIds(ALPHA, page))]);
  expect(pages.map((page) => page.length)).toEqual([1_002, 500, 0]);
  expect(pages.flat().sort()).toEqual([...entries, ...others].map(({ runId }) => `${runId}-1`).sort());
});

test("a paused queue keeps its jobs where they are: counts and states are the same, for those that come too", async () => {
  await using bull = openBull(redis.url);
  const { queues } = bull;
  const [before, during, urgent, later] = [entryOf(), entryOf(), entryOf(), entryOf()];
  await queues.enqueue(before);
  await queues.queueOf(ALPHA).pause();
  await queues.enqueue(during);
  await queues.enqueue(urgent, { priority: 1 });
  await queues.enqueue(later, { delayMs: 60_000 });
  const counts = { waiting: 2, prioritized: 1, delayed: 1, active: 0 };
  expect(await queues.countsOf(ALPHA)).toEqual(counts);
  for (const entry of [before, during, urgent, later]) expect(await queues.stateOf(entry)).toBe("present");
  expect(await queues.missing([before, during, urgent, later])).toEqual([]);
  expect((await queues.jobIds(ALPHA, 0)).length).toBe(4);
  await queues.queueOf(ALPHA).resume();
  expect(await queues.countsOf(ALPHA)).toEqual(counts);
});
