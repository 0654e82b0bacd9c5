import type { Redis } from "ioredis";
import { beforeAll, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { checkRedis } from "./startup-check.ts";

const redis = useRedis();
let connection: Redis;
beforeAll(() => {
  connection = redis.connect();
});
const set = (name: string, value: string) => connection.config("SET", name, value);

test("a durable Redis that never evicts is fit, and nothing is said about it", async () => {
  expect(await checkRedis(connection)).toEqual({
    version: expect.stringMatching(/^\d+\.\d+/),
    persistence: "aof",
    warnings: [],
  });
});

test.each(["allkeys-lru", "volatile-ttl", "allkeys-random"])(
  "a Redis that evicts (%s) is refused: it would lose runs silently",
  async (policy) => {
    await set("maxmemory-policy", policy);
    const refusal = { code: "redis_unfit", message: expect.stringContaining(policy) };
    await expect(checkRedis(connection)).rejects.toMatchObject(refusal);
    await set("maxmemory-policy", "noeviction");
  },
);

test("an append-only file that is synced at each write is told apart", async () => {
  await set("appendfsync", "always");
  expect(await checkRedis(connection)).toMatchObject({ persistence: "aof-always", warnings: [] });
});

test("without an append-only file it warns, and says what is left", async () => {
  await set("appendonly", "no");
  await set("save", "3600 1");
  expect(await checkRedis(connection)).toMatchObject({
    persistence: "rdb",
    warnings: [expect.stringContaining("appendonly yes")],
  });
  await set("save", "");
  expect(await checkRedis(connection)).toMatchObject({
    persistence: "none",
    warnings: [expect.stringContaining("appendonly yes")],
  });
});
