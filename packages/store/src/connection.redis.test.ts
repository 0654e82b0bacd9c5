import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { inspect } from "node:util";
import { ReplyError } from "ioredis";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { openFailFastConnection, openLedgerConnection } from "./connection.ts";
import { isCluster } from "./redis-client.ts";

const redis = useRedis();

test("a password that the Redis does not take is told as that, and not shown (R9)", async () => {
  const admin = redis.connect();
  await admin.config("SET", "requirepass", "the-r1ght-one");
  // The file's server is emptied by connections without a password; this one is still let in.
  const path = redis.url;
  try {
    for (const url of [path, `${path}?password=a-wr0ng-one`]) {
      const error: unknown = await openFailFastConnection({ url }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: "redis_unreachable",
        message: expect.stringMatching(/does not take the user or password.*BATON_REDIS_URL/),
      });
      const whole = inspect(error, { depth: 8 });
      expect(whole).toContain("[cause]");
      expect(whole).not.toContain("a-wr0ng-one");
    }
    const good = await openFailFastConnection({ url: `${path}?password=the-r1ght-one` });
    expect(await good.ping()).toBe("PONG");
    good.disconnect();
  } finally {
    await admin.config("SET", "requirepass", "");
  }
});

test("a password that is taken no longer is in no error of a connection, nor of one that is made from it (R9)", async () => {
  const admin = redis.connect();
  await admin.config("SET", "requirepass", "the-0ld-one");
  const errors: Error[] = [];
  const onError = (error: Error): void => {
    errors.push(error);
  };
  const connection = openLedgerConnection({ url: `${redis.url}?password=the-0ld-one`, onError });
  if (isCluster(connection)) throw new Error("the URL is of one server");
  const duplicate = connection.duplicate();
  duplicate.on("error", onError);
  try {
    await Promise.all([connection.ping(), duplicate.ping()]);
    await admin.config("SET", "requirepass", "the-new-one");
    await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await until(async () => errors.length > 3 || undefined, { what: "both to try again" });
    const whole = inspect(errors, { depth: 8 });
    expect(whole).toContain("WRONGPASS");
    expect(whole).not.toContain("the-0ld-one");
  } finally {
    connection.disconnect();
    duplicate.disconnect();
    await admin.config("SET", "requirepass", "");
  }
});

test("a password that no node of a cluster takes is in no error of its connection (R9)", async () => {
  const refusing = createServer((socket) => {
    socket.on("data", () => socket.write("-WRONGPASS invalid username-password pair\r\n"));
  });
  refusing.listen(0, "127.0.0.1");
  await once(refusing, "listening");
  // A server that listens on a port has an address with a port.
  const { port } = refusing.address() as AddressInfo;
  const errors: Error[] = [];
  const connection = openLedgerConnection({
    url: `redis-cluster://127.0.0.1:${port}?password=the-0ld-one`,
    onError: (error) => {
      errors.push(error);
    },
  });
  await until(async () => errors.length > 1 || undefined, { what: "the cluster to be asked again" });
  const whole = inspect(errors, { depth: 8 });
  expect(whole).toContain("WRONGPASS");
  expect(whole).not.toContain("the-0ld-one");
  connection.disconnect();
  refusing.close();
});

test("what a refused command said is not in its error, which is one of Redis still", async () => {
  const connection = openLedgerConnection({ url: redis.url, onError: () => undefined });
  await connection.set("text", "x");
  const error: unknown = await connection
    .lpush("text", "what a caller said")
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ReplyError);
  expect(inspect(error, { depth: 8 })).toContain("WRONGTYPE");
  expect(inspect(error, { depth: 8 })).not.toContain("what a caller said");
  connection.disconnect();
});

test("a server that takes the connection and says nothing is given up on", async () => {
  const silent = createServer();
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  // A server that listens on a port has an address with a port.
  const { port } = silent.address() as AddressInfo;
  await expect(openFailFastConnection({ url: `redis://127.0.0.1:${port}` })).rejects.toMatchObject({
    code: "redis_unreachable",
  });
  silent.close();
}, 15_000);

test.each([
  ["without a word", undefined],
  ["with the word of a Redis in protected mode", "-DENIED Redis is running in protected mode\r\n"],
])("a server that takes the connection and closes it %s is not told as one that is away", async (_, word) => {
  const closing = createServer((socket) => {
    socket.on("error", () => undefined);
    if (word === undefined) socket.destroy();
    else socket.end(word);
  });
  closing.listen(0, "127.0.0.1");
  await once(closing, "listening");
  // A server that listens on a port has an address with a port.
  const { port } = closing.address() as AddressInfo;
  await expect(openFailFastConnection({ url: `redis://127.0.0.1:${port}` })).rejects.toMatchObject({
    code: "redis_unreachable",
    message: expect.stringMatching(/closes each connection: .*rediss:.*protected mode/),
  });
  closing.close();
});
