import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { agreeOnKeys, readStoreKeys } from "./agree-on-keys.ts";
import { connectStore } from "./connect-store.ts";
import { encryptionKey } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import { createQueued } from "./testing/make-run.ts";
import { testCipher, testKey } from "./testing/test-cipher.ts";

const redis = useRedis();
let connection: RedisClient;
beforeEach(() => {
  connection = redis.connect();
});
const idsOf = async () => (await readStoreKeys(connection)).map(({ id }) => id);
const missing = (id: string) => ({
  code: "encryption_key_missing",
  message: expect.stringMatching(new RegExp(`key ${id}.*BATON_ENCRYPTION_KEYS`)),
});

test("a store that nobody seals in is open to all, and knows no keys", async () => {
  await agreeOnKeys(connection, undefined);
  expect(await connection.exists(encryptionKey())).toBe(0);
});

test("who has no keys is refused where others seal, before it can write in clear", async () => {
  await agreeOnKeys(connection, testCipher("k1"));
  await expect(agreeOnKeys(connection, undefined)).rejects.toMatchObject(missing("k1"));
  await agreeOnKeys(connection, testCipher("k1"));
});

test("a key may be given to all before one seals with it, and taken away when nothing needs it any more", async () => {
  await agreeOnKeys(connection, testCipher("k1"));
  await agreeOnKeys(connection, testCipher("k1", "k2"));
  expect(await idsOf()).toEqual(["k1"]);
  await agreeOnKeys(connection, testCipher("k2", "k1"));
  expect(await idsOf()).toEqual(["k2", "k1"]);
  // One that has both may still seal with the old one, while all are restarted one by one.
  await agreeOnKeys(connection, testCipher("k1", "k2"));
  await agreeOnKeys(connection, testCipher("k2"));
});

test("who lacks the newest key is refused, and told its id", async () => {
  await agreeOnKeys(connection, testCipher("k1"));
  await expect(agreeOnKeys(connection, testCipher("k2"))).rejects.toMatchObject(missing("k1"));
  expect(await idsOf()).toEqual(["k1"]);
  await agreeOnKeys(connection, testCipher("k2", "k1"));
  await expect(agreeOnKeys(connection, testCipher("k1"))).rejects.toMatchObject(missing("k2"));
});

test("of two that come at once with different keys one is refused, and says nothing of its own", async () => {
  const connections = [redis.connect(), redis.connect()] as const;
  await Promise.all(connections.map((one) => one.ping()));
  for (let round = 0; round < 20; round += 1) {
    await connection.del(encryptionKey());
    const [a, b] = await Promise.allSettled([
      agreeOnKeys(connections[0], testCipher("k1")),
      agreeOnKeys(connections[1], testCipher("k2")),
    ]);
    const winners = [a, b].map(({ status }) => status);
    expect(winners.toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(await idsOf()).toEqual([winners[0] === "fulfilled" ? "k1" : "k2"]);
  }
});

test("of two that come at once with different keys, the one that has both goes on", async () => {
  const connections = [redis.connect(), redis.connect()] as const;
  await Promise.all(connections.map((one) => one.ping()));
  for (let round = 0; round < 20; round += 1) {
    await connection.del(encryptionKey());
    const [first, both] = await Promise.allSettled([
      agreeOnKeys(connections[0], testCipher("k1")),
      agreeOnKeys(connections[1], testCipher("k2", "k1")),
    ]);
    expect(both.status).toBe("fulfilled");
    expect(await idsOf()).toHaveLength(first.status === "fulfilled" ? 2 : 1);
  }
});

test("another key under a known id is refused, and neither is quoted (R9)", async () => {
  await agreeOnKeys(connection, testCipher("k1"));
  const error = await agreeOnKeys(connection, testCipher("k1/other")).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "invalid_config", message: expect.stringContaining("key k1") });
  const told = `${error} ${JSON.stringify(await connection.hgetall(encryptionKey()))}`;
  for (const name of ["k1", "k1/other"]) {
    const secret = testKey(name).secret.export();
    for (const form of ["base64", "base64url", "hex"] as const) {
      expect(told).not.toContain(secret.toString(form).slice(0, 20));
    }
  }
});

describe("connecting", () => {
  const open = (...names: readonly string[]) => {
    const [first, ...rest] = names;
    const cipher = first === undefined ? undefined : testCipher(first, ...rest);
    return connectStore({ url: redis.url, retentionMs: 0, cipher, onError: () => undefined });
  };

  test("with keys seals, and says so to whoever comes without", async () => {
    await using store = await open("k1");
    const { runId } = await createQueued(store.ledger);
    expect(await store.connection.get(`{baton}:run:${runId}:spec`)).toMatch(/^~1\.k1\./);
    await expect(open()).rejects.toMatchObject(missing("k1"));
    await expect(open("k3")).rejects.toMatchObject(missing("k1"));
    await using other = await open("k2", "k1");
    expect((await other.ledger.read(runId))?.run.status).toBe("queued");
  });
});
