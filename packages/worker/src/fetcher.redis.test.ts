/** One fetcher on a real queue: what it gives back, what it does when fetching fails, and how it ends. */

import { randomBytes } from "node:crypto";
import { jobIdOf, newRunId, randomPool } from "@baton/core";
import { PoolQueues, queueNameOf, shardKeys } from "@baton/store";
import { pino } from "pino";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { Fetcher } from "./fetcher.ts";
import { Places } from "./places.ts";
import { gpt } from "./testing/log.ts";

const redis = useRedis();
const KEY = `${shardKeys(0).bullmqPrefix}:${queueNameOf(gpt)}`;
const ids = { now: () => Date.now(), random: randomPool(randomBytes) };

/** A fetcher with so many places. `lines` are what it logs, `worked` the jobs that it worked on. */
async function open(size: number, work: () => Promise<void> = async () => undefined) {
  const lines: string[] = [];
  const worked: string[] = [];
  const connection = redis.connect();
  const queues = new PoolQueues(connection, () => undefined);
  const places = new Places(size);
  const fetcher = new Fetcher({
    pool: gpt,
    prefix: shardKeys(0).bullmqPrefix,
    connection,
    places,
    now: ids.now,
    log: pino({}, { write: (line: string) => void lines.push(line) }),
    async work(job) {
      worked.push(job.id ?? "");
      await work();
      return { kind: "done", why: "test" };
    },
  });
  await fetcher.start();
  return {
    ...{ fetcher, places, queues, lines, worked },
    async add(priority = 0) {
      const runId = newRunId(0, ids);
      await queues.enqueue({ runId, ticket: 1, pool: gpt }, { priority });
      return jobIdOf(runId, 1);
    },
    async [Symbol.asyncDispose]() {
      await fetcher.close();
      await queues.close();
    },
  };
}

/** Waits until so many clients wait for a wake-up. */
async function blocked(count: number): Promise<void> {
  const admin = redis.connect();
  const waiting = async (): Promise<number> => {
    const clients = String(await admin.client("LIST")).split("\n");
    return clients.filter((client) => / flags=\w*b/.test(client)).length;
  };
  await until(async () => (await waiting()) === count, { what: `${count} waiting clients` });
}

test.each([0, 7])(
  "a job of priority %d that finds no place wakes another process when it goes back",
  async (priority) => {
    await using rig = await open(1);
    // It found a place free, has looked, and waits for a job; then the place is gone.
    await blocked(1);
    expect(rig.places.tryTake(gpt)).toBe(true);
    const spy = redis.connect();
    const woken = (async () => [
      await spy.bzpopmin(`${KEY}:marker`, 10),
      await spy.bzpopmin(`${KEY}:marker`, 2),
    ])();
    await blocked(2);
    // The fetcher waits for longest and is woken; its fetch wakes the other, which finds the queue empty.
    await rig.add(priority);
    const [byFetch, byReturn] = await woken;
    expect(byFetch).not.toBeNull();
    expect(byReturn).not.toBeNull();
    const { waiting, prioritized, active } = await rig.queues.countsOf(gpt);
    expect({ waits: waiting + prioritized, active }).toEqual({ waits: 1, active: 0 });
    expect(rig.worked).toEqual([]);
    rig.places.give(gpt);
    await until(() => rig.worked.length === 1, { what: "the job to be worked on" });
  },
);

test("jobs that are given back keep their places in the queue", async () => {
  await using rig = await open(1);
  await blocked(1);
  rig.places.tryTake(gpt);
  rig.fetcher.rest(true);
  const added = [await rig.add(5), await rig.add(5), await rig.add(5)];
  rig.fetcher.rest(false);
  await until(async () => (await rig.queues.countsOf(gpt)).active === 0, { what: "nothing to be at work" });
  rig.places.give(gpt);
  await until(() => rig.worked.length === 3, { what: "all to be worked on" });
  expect(rig.worked).toEqual(added);
});

test("a fetch that fails is told, and tried again until it works", async () => {
  await using rig = await open(2);
  const admin = redis.connect();
  await blocked(1);
  await admin.set(`${KEY}:wait`, "not a list");
  await admin.zadd(`${KEY}:marker`, 0, "0");
  await until(() => rig.lines.some((line) => line.includes("could not be fetched")), { what: "the warning" });
  await admin.del(`${KEY}:wait`);
  await rig.add();
  await until(() => rig.worked.length === 1, { what: "the job to be worked on" });
  await until(() => rig.places.taken === 0, { what: "its place to be free" });
});

test("closing waits for what is at work, takes nothing more, and does not wait for a blocking read", async () => {
  const ending = Promise.withResolvers<void>();
  await using rig = await open(1, () => ending.promise);
  await rig.add();
  await until(() => rig.worked.length === 1, { what: "the job to be at work" });
  await rig.add();
  let isClosed = false;
  const closing = rig.fetcher.close().then(() => {
    isClosed = true;
  });
  await until(async () => (await rig.queues.countsOf(gpt)).active === 1, { what: "one job at work" });
  expect(isClosed).toBe(false);
  const endedAt = performance.now();
  ending.resolve();
  await closing;
  expect(performance.now() - endedAt).toBeLessThan(2_000);
  expect(rig.worked).toHaveLength(1);
  const { waiting, prioritized, active } = await rig.queues.countsOf(gpt);
  expect({ waits: waiting + prioritized, active }).toEqual({ waits: 1, active: 0 });
  expect(rig.places.taken).toBe(0);
});
