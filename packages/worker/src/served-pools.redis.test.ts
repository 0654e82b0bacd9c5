/** What is left of pools that could not be started, or whose process stops while they are set up. */
import { parseConfig } from "@baton/core";
import type { RedisClient } from "@baton/store";
import { pino } from "pino";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { systemIds } from "../../../test/support/worker-rig.ts";
import { PoolHolds } from "./pool-holds.ts";
import { ServedPools } from "./served-pools.ts";
import { gpt } from "./testing/log.ts";
import type { WorkerDeps } from "./worker-deps.ts";

const redis = useRedis();

function open(connection: RedisClient, boundActive: () => Promise<void> = async () => undefined) {
  const deps = {
    log: pino({ level: "silent" }),
    ids: systemIds,
    limits: { isResting: () => false },
    refusals: { isResting: () => false },
  };
  return new ServedPools({
    concurrency: 2,
    shards: [0],
    connection,
    queues: { boundActive },
    models: parseConfig({}, "the test's configuration").models,
    holds: new PoolHolds(systemIds),
    settings: { of: () => ({ maxActive: 1 }) },
    // No phase is run here, and without one a pool needs no more.
    deps: deps as unknown as WorkerDeps,
  });
}

test("a pool that could not be started is not served, and can be served later", async () => {
  const admin = redis.connect();
  // BullMQ asks for the version of Redis before it works.
  await admin.call("ACL", "SETUSER", "limited", "on", ">secret", "~*", "&*", "+@all", "-info");
  const connection = admin.duplicate({ username: "limited", password: "secret", enableReadyCheck: false });
  const pools = open(connection);
  await expect(pools.serve(gpt)).rejects.toThrow("info");
  expect(pools.has(gpt)).toBe(false);
  await admin.call("ACL", "SETUSER", "limited", "+info");
  await pools.serve(gpt);
  expect(pools.pools).toEqual([gpt]);
  await pools.close();
  connection.disconnect();
  await admin.call("ACL", "DELUSER", "limited");
});

test("a bound that is set when the process has stopped starts no timer", async () => {
  const bounding = Promise.withResolvers<void>();
  const pools = open(redis.connect(), () => bounding.promise);
  await pools.serve(gpt);
  pools.stopTaking();
  await pools.close();
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const before = timers();
  bounding.resolve();
  await bounding.promise;
  await Promise.resolve();
  expect(timers()).toBe(before);
});
