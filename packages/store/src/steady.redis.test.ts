import { expect, test } from "vitest";
import { sendSignal } from "../../../test/support/processes.ts";
import { freshRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { openLedgerConnection } from "./connection.ts";

/** Keeps the server busy up to a time, in seconds. */
const BUSY =
  "repeat local now = redis.call('TIME') until tonumber(now[1]) >= tonumber(ARGV[1]) return 'free'";

test("what was pipelined to a Redis that dies is answered by the one that follows, whatever part was answered", async () => {
  await using server = await freshRedis();
  const onError = () => undefined;
  const redis = openLedgerConnection({ url: server.url, onError });
  const other = openLedgerConnection({ url: server.url, onError });
  await Promise.all([redis.set("first", "connected"), other.config("SET", "busy-reply-threshold", "50")]);
  const write = (place: number) => redis.set(`key:${place}`, "x".repeat(4_000));
  // A server answers a pipeline as it reads it: the writes before the script are answered, those behind it are not.
  const before = Array.from({ length: 50 }, (_, place) => write(place));
  const busy = redis.eval(BUSY, 0, Math.ceil(Date.now() / 1_000) + 2);
  const behind = Array.from({ length: 50 }, (_, place) => write(50 + place));
  await until(async () => (await other.ping().then(String, String)).includes("BUSY"), {
    what: "the script to be at work",
  });
  sendSignal(server.pid, "SIGKILL");
  await using _next = await server.restart();
  expect(await busy).toBe("free");
  expect(await Promise.all([...before, ...behind])).toEqual(Array(100).fill("OK"));
  expect(await redis.get("key:99")).toHaveLength(4_000);
  redis.disconnect();
  other.disconnect();
});

test("a command waits while the Redis is a replica, and goes on when it is the primary again", async () => {
  await using server = await freshRedis();
  const redis = openLedgerConnection({ url: server.url, onError: () => undefined });
  const other = openLedgerConnection({ url: server.url, onError: () => undefined });
  await redis.set("first", "connected");
  await other.replicaof("127.0.0.1", 1);
  let isWritten = false;
  const writing = redis.set("second", "waits").then(() => {
    isWritten = true;
  });
  await until(async () => /errorstat_READONLY:count=([3-9]|\d\d)/.test(await other.info("errorstats")), {
    what: "the write to be refused again and again",
  });
  expect(isWritten).toBe(false);
  await other.replicaof("NO", "ONE");
  await writing;
  expect(await redis.get("second")).toBe("waits");
  redis.disconnect();
  other.disconnect();
});
