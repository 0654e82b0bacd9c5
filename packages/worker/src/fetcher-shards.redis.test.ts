/** Fetchers of one pool in two shards, which share the places of a process. */
import { newRunId } from "@baton/core";
import { PoolQueues, shardKeys } from "@baton/store";
import { pino } from "pino";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { systemIds } from "../../../test/support/worker-rig.ts";
import { Fetcher } from "./fetcher.ts";
import { Places } from "./places.ts";
import { gpt } from "./testing/log.ts";

const redis = useRedis();

test("a shard whose queue never ends leaves turns to the other shard of its pool", async () => {
  const connection = redis.connect();
  const queues = new PoolQueues(connection, () => undefined, 2);
  const places = new Places(4);
  const worked: number[] = [];
  const ends: (() => void)[] = [];
  const fetchers = [0, 1].map(
    (shard) =>
      new Fetcher({
        pool: gpt,
        prefix: shardKeys(shard).bullmqPrefix,
        connection,
        places,
        now: systemIds.now,
        log: pino({ level: "silent" }),
        async work() {
          worked.push(shard);
          const { promise, resolve } = Promise.withResolvers<void>();
          ends.push(resolve);
          await promise;
          return { kind: "done", why: "test" };
        },
      }),
  );
  const add = (shard: number) =>
    queues.enqueue({ runId: newRunId(shard, systemIds), ticket: 1, pool: gpt }, { priority: 0 });
  const endOne = async () => {
    const before = worked.length;
    ends.shift()?.();
    await until(() => worked.length > before, { what: "the next job" });
  };
  for (let job = 0; job < 100; job += 1) await add(0);
  await Promise.all(fetchers.map((fetcher) => fetcher.start()));
  await until(() => worked.length === 4, { what: "all places to be taken" });
  while (worked.length < 32) await endOne();
  await add(1);
  // The other shard's fetcher finds it, has no place for it, and waits for one.
  await until(async () => (await queues.countsOf(gpt)).active === 4, { what: "the job to be given back" });
  while (!worked.includes(1) && worked.length < 80) await endOne();
  expect(worked.indexOf(1)).toBeGreaterThan(0);
  expect(worked.length).toBeLessThan(60);
  for (const fetcher of fetchers) fetcher.stopTaking();
  for (const end of ends) end();
  await Promise.all(fetchers.map((fetcher) => fetcher.close()));
  await queues.close();
});
