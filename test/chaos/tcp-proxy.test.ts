import { Redis } from "ioredis";
import { afterEach, beforeEach, expect, test } from "vitest";
import { useRedis } from "../support/redis.ts";
import { TcpProxy } from "./tcp-proxy.ts";

const redis = useRedis();
let proxy: TcpProxy;
let client: Redis;

beforeEach(async () => {
  proxy = await TcpProxy.open(redis.url);
  client = new Redis(proxy.port, "127.0.0.1", { maxRetriesPerRequest: null, retryStrategy: () => 20 });
  client.on("error", () => undefined);
  await client.set("key", "before");
});

afterEach(async () => {
  client.disconnect();
  await proxy.close();
});

/** `events.once` would take the error that comes first for its own. */
const nextClose = (): Promise<void> => new Promise((resolve) => client.once("close", () => resolve()));

test("a reset breaks the connection, and after it another one is found", async () => {
  const closed = nextClose();
  proxy.cut("reset");
  await closed;
  let isAnswered = false;
  const asked = client.get("key").finally(() => {
    isAnswered = true;
  });
  await nextClose();
  expect(isAnswered).toBe(false);
  proxy.heal({ delivers: false });
  expect(await asked).toBe("before");
});

test("a black hole keeps the connection, and what it swallowed comes late", async () => {
  proxy.cut("blackhole");
  const written = client.set("key", "late");
  const direct = redis.connect();
  // A round trip past the hole, and one more: what was sent into it would have arrived by now.
  expect(await direct.get("key")).toBe("before");
  expect(await direct.get("key")).toBe("before");
  proxy.heal({ delivers: true });
  await written;
  expect(await direct.get("key")).toBe("late");
});

test("a black hole may also lose what it swallowed, with its connections", async () => {
  // One that does not send again what was not answered.
  const once = new Redis(proxy.port, "127.0.0.1", { retryStrategy: () => null });
  once.on("error", () => undefined);
  await once.ping();
  proxy.cut("blackhole");
  const written = once.set("key", "lost").catch(() => "not told");
  proxy.heal({ delivers: false });
  expect(await written).toBe("not told");
  // The way is open again.
  expect(await client.get("key")).toBe("before");
});
