import { type ModelId, modelIdSchema, newRunId } from "@baton/core";
import { Worker } from "bullmq";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { systemIds } from "../../../test/support/worker-rig.ts";
import { queueNameOf, shardKeys } from "./keys.ts";
import { readPoolLoad } from "./pool-load.ts";
import { type EnqueueOptions, PoolQueues } from "./pool-queues.ts";

const redis = useRedis();
const pool: ModelId = modelIdSchema.parse("openai/gpt");

async function timeOf(client: ReturnType<typeof redis.connect>): Promise<number> {
  const [seconds = 0, micros = 0] = await client.time();
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}

test("counts what could be taken now apart from what has to wait, and tells the oldest wait", async () => {
  const client = redis.connect();
  const queues = new PoolQueues(client, (error) => {
    throw error;
  });
  const add = (options: { delayMs?: number; priority?: number } = {}) =>
    queues.enqueue({ runId: newRunId(0, systemIds), ticket: 1, pool }, options);
  const source = { redis: client, queues };
  const empty = await readPoolLoad(source, pool, await timeOf(client));
  expect(empty).toEqual({ waiting: 0, prioritized: 0, due: 0, delayed: 0, active: 0, oldestWaitMs: 0 });

  const began = await timeOf(client);
  await add();
  await add();
  await add({ priority: 5 });
  await add({ priority: 7 });
  await add({ delayMs: 60_000 });
  await add({ delayMs: 90_000 });
  const now = await timeOf(client);
  const load = await readPoolLoad(source, pool, now);
  expect(load).toMatchObject({ waiting: 2, prioritized: 2, due: 0, delayed: 2, active: 0 });
  expect(load.oldestWaitMs).toBeGreaterThanOrEqual(0);
  expect(load.oldestWaitMs).toBeLessThanOrEqual(now - began);

  // BullMQ's own score decides: a second before the first one's time, at it, and past both.
  const before = await readPoolLoad(source, pool, began + 59_000);
  expect(before).toMatchObject({ due: 0, delayed: 2 });
  const past = await readPoolLoad(source, pool, now + 61_000);
  expect(past).toMatchObject({ due: 1, delayed: 1 });
  expect(past.oldestWaitMs).toBeGreaterThan(60_000);
  const long = await readPoolLoad(source, pool, now + 91_000);
  expect(long).toMatchObject({ due: 2, delayed: 0 });
  await queues.close();
});

test("of delayed entries alone the wait counts from the time at which they were due", async () => {
  const client = redis.connect();
  const queues = new PoolQueues(client, (error) => {
    throw error;
  });
  const began = await timeOf(client);
  await queues.enqueue({ runId: newRunId(0, systemIds), ticket: 1, pool }, { delayMs: 10_000 });
  const ended = await timeOf(client);
  const source = { redis: client, queues };
  expect((await readPoolLoad(source, pool, began + 9_999)).oldestWaitMs).toBe(0);
  const load = await readPoolLoad(source, pool, ended + 13_000);
  expect(load).toMatchObject({ due: 1, delayed: 0 });
  expect(load.oldestWaitMs).toBeGreaterThanOrEqual(3_000);
  expect(load.oldestWaitMs).toBeLessThanOrEqual(3_000 + ended - began);
  await queues.close();
});

test("an entry that is worked on is active and waits no more", async () => {
  const client = redis.connect();
  const queues = new PoolQueues(client, (error) => {
    throw error;
  });
  const { promise: worked, resolve: finish } = Promise.withResolvers<void>();
  const { promise: taken, resolve: take } = Promise.withResolvers<void>();
  const worker = new Worker(
    queueNameOf(pool),
    async () => {
      take();
      await worked;
    },
    { connection: client, prefix: shardKeys(0).bullmqPrefix },
  );
  await queues.enqueue({ runId: newRunId(0, systemIds), ticket: 1, pool });
  await taken;
  const load = await readPoolLoad({ redis: client, queues }, pool, (await timeOf(client)) + 5_000);
  expect(load).toMatchObject({ waiting: 0, active: 1, oldestWaitMs: 0 });
  finish();
  await worker.close();
  await queues.close();
});

test("a new run that waits behind admitted ones is the oldest, wherever it stands", async () => {
  const client = redis.connect();
  const queues = new PoolQueues(client, (error) => {
    throw error;
  });
  const add = (options: EnqueueOptions) =>
    queues.enqueue({ runId: newRunId(0, systemIds), ticket: 1, pool }, options);
  await add({ progress: "new" });
  const [job] = await queues.queueOf(pool).getJobs(["prioritized"]);
  const since = job?.timestamp ?? 0;
  await until(() => Date.now() > since + 20, { what: "20 milliseconds to go by" });
  await add({ progress: "new" });
  await add({ progress: "admitted" });
  await add({ priority: 3 });
  const load = await readPoolLoad({ redis: client, queues }, pool, since + 1_000);
  expect(load).toMatchObject({ waiting: 0, prioritized: 4, oldestWaitMs: 1_000 });
  await queues.close();
});
