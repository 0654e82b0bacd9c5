import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { isSameKey } from "./api-key-text.ts";
import { API_KEYS_MAX, type ApiKeys, openApiKeys } from "./api-keys.ts";
import { EventHub } from "./event-hub.ts";
import { apiKeysKey, requestsKey } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import { defineScripts, type RunScript } from "./scripts.ts";
import { systemIds } from "./testing/make-run.ts";

const server = useRedis();
let redis: RedisClient;
let keys: ApiKeys;
beforeEach(() => {
  redis = server.connect();
  keys = openApiKeys(redis, systemIds);
});
const grant = { name: "a", scopes: ["read"] as const } as const;
const make = (more: Partial<Parameters<ApiKeys["create"]>[0]> = {}) =>
  keys.create({ ...grant, scopes: ["read"], ...more });
const read = async () => {
  const known = await keys.read();
  if (known === undefined) throw new Error("without a revision to compare with, all keys are read");
  return known;
};

describe("a key", () => {
  test("is kept with what it may do, and neither its text nor its secret is in Redis", async () => {
    const { text, record } = await make({ scopes: ["read", "submit"], rpm: 5, budget: { usd: 2 } });
    expect((await read()).keys.get(record.id)).toEqual(record);
    expect(isSameKey(text, record.hash)).toBe(true);
    const stored = JSON.stringify(await redis.hgetall(apiKeysKey()));
    expect(stored).toContain(record.hash);
    expect(stored).not.toContain(text);
    expect(stored).not.toContain(text.split("_")[2]);
  });

  test("has a namespace of its own, the one that it is given, or all", async () => {
    const { record } = await make();
    expect(record.namespace).toBe(record.id);
    expect((await make({ namespace: "team-a" })).record.namespace).toBe("team-a");
    expect((await make({ namespace: "all" })).record).not.toHaveProperty("namespace");
  });

  test.each([
    ["a namespace that is a path", { namespace: "a/b" }],
    ["a namespace that closes a hash tag", { namespace: "a}" }],
    ["no scope", { scopes: [] }],
    ["no name", { name: "" }],
    ["a rate of nothing", { rpm: 0 }],
    ["a bound of a namespace, and all of them", { namespace: "all", maxLive: 3 }],
    ["a budget, and all namespaces", { namespace: "all", budget: { usd: 1 } }],
    ["an end that has passed", { expiresAt: 1 }],
  ])("is not made with %s", async (_what, more) => {
    await expect(make(more)).rejects.toMatchObject({ code: "invalid_spec" });
    expect((await read()).rev).toBeUndefined();
  });

  test("that was revoked is gone, and the others stay; the revision says that keys were made", async () => {
    const [one, other] = [(await make()).record, (await make()).record];
    await keys.revoke(one.id);
    expect([...(await read()).keys.keys()]).toEqual([other.id]);
    await expect(keys.revoke(one.id)).rejects.toMatchObject({ code: "not_found" });
    await expect(keys.revoke("rev")).rejects.toMatchObject({ code: "not_found" });
    await keys.revoke(other.id);
    expect(await read()).toMatchObject({ rev: expect.any(String), keys: new Map() });
    await keys.revokeAll();
    expect(await read()).toEqual({ rev: undefined, keys: new Map() });
  });

  test("beyond the most that there can be is refused", async () => {
    const fields = Array.from({ length: API_KEYS_MAX }, (_, index) => [`k${index}`, "{}"]).flat();
    await redis.hset(apiKeysKey(), "rev", "x", ...fields);
    await expect(make()).rejects.toMatchObject({ code: "not_possible" });
    await redis.hdel(apiKeysKey(), "k0");
    await make();
  });
});

test("a key whose making is sent again behind that of another one was made, and once (R1)", async () => {
  const run = defineScripts(redis);
  let first: Parameters<RunScript> | undefined;
  const { record } = await openApiKeys(redis, systemIds, (...call) => {
    first = call;
    return run(...call);
  }).create({ ...grant, scopes: ["read"] });
  const other = await make();
  const before = await redis.hgetall(apiKeysKey());
  if (first === undefined) throw new Error("no script was called");
  expect(await run(...first)).toEqual(["added"]);
  expect(await redis.hgetall(apiKeysKey())).toEqual(before);
  expect([...(await read()).keys.keys()].toSorted()).toEqual([record.id, other.record.id].toSorted());
});

test("whoever knows the revision reads nothing again, and after each change all", async () => {
  const { record } = await make();
  const first = await read();
  expect(await keys.read(first)).toBeUndefined();
  await make();
  const second = await keys.read(first);
  expect(second?.keys.size).toBe(2);
  await keys.revoke(record.id);
  expect((await keys.read(second))?.keys.size).toBe(1);
});

test("a record that cannot be read, or lies under another's id, is no key", async () => {
  const { record } = await make();
  const other = JSON.stringify({ ...record, v: 2 });
  await redis.hset(apiKeysKey(), record.id, other, "aaaaaaaaaaaa", JSON.stringify(record), "b", "no JSON");
  expect((await read()).keys.size).toBe(0);
});

test("each change is told to whoever subscribed", async () => {
  const hub = new EventHub(server.connect());
  await using subscription = await hub.subscribeApiKeys();
  const heard = async (change: () => Promise<unknown>) => {
    let isHeard = false;
    // It looks by itself every five seconds: this must be sooner.
    const waiting = subscription.wait(AbortSignal.timeout(4_000)).then(() => {
      isHeard = true;
    });
    await change();
    await until(() => isHeard, { what: "the hint", withinMs: 3_000 });
    await waiting;
  };
  const made: string[] = [];
  await heard(async () => made.push((await make()).record.id));
  await heard(() => keys.revoke(made[0] ?? ""));
  await heard(() => keys.revokeAll());
  await hub.close();
});

describe("requests of a key", () => {
  test("are taken from a bucket that all processes share, and refused with the time to wait", async () => {
    const other = openApiKeys(server.connect(), systemIds);
    const taken = [];
    for (let count = 0; count < 6; count += 1)
      taken.push(await (count % 2 === 0 ? keys : other).take("k", 6));
    expect(taken.map(({ isTaken }) => isTaken)).toEqual([true, true, true, true, true, true]);
    expect(taken.map(({ left }) => left)).toEqual([5, 4, 3, 2, 1, 0]);
    const refused = await keys.take("k", 6);
    expect(refused).toMatchObject({ isTaken: false, left: 0 });
    expect(refused.nextMs).toBeGreaterThan(8_000);
    expect(refused.nextMs).toBeLessThanOrEqual(10_000);
    expect(await keys.take("other", 6)).toMatchObject({ isTaken: true, left: 5 });
  });

  test("come back evenly, and nothing is left in Redis of a bucket that is full", async () => {
    const perMinute = 600;
    const draw = async (): Promise<number> => {
      for (let count = 0; ; count += 1) if (!(await keys.take("k", perMinute)).isTaken) return count;
    };
    expect(await draw()).toBeGreaterThanOrEqual(perMinute);
    const taken = await until(() => keys.take("k", perMinute).then(({ isTaken }) => isTaken), {
      what: "the next request",
      withinMs: 1_000,
    });
    expect(taken).toBe(true);
    expect(await redis.pttl(requestsKey("k"))).toBeGreaterThan(50_000);
    expect(await redis.pttl(requestsKey("k"))).toBeLessThanOrEqual(60_001);
  });

  test("a rate that is lowered leaves no one waiting longer than a minute", async () => {
    for (let count = 0; count < 100; count += 1) await keys.take("k", 100);
    const { isTaken, nextMs } = await keys.take("k", 1);
    expect(isTaken).toBe(false);
    expect(nextMs).toBeLessThanOrEqual(60_000);
  });
});
