import { type ConnectedStore, connectStore, openApiKeys } from "@baton/store";
import { afterEach, beforeEach, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { until } from "../../../../test/support/until.ts";
import { systemIds } from "../../../../test/support/worker-rig.ts";
import { makeKey } from "../testing/api-keys.ts";
import { type Gate, openGate } from "./gate.ts";

const redis = useRedis();
let store: ConnectedStore;
beforeEach(async () => {
  store = await connectStore({ url: redis.url, retentionMs: 0, onError: () => undefined });
});
afterEach(() => store[Symbol.asyncDispose]());
const open = (host: string, now = () => Date.now(), awaitKey = false): Promise<Gate> =>
  openGate({ store, host, awaitKey, now, onError: () => undefined });

test.each(["0.0.0.0", "::", "10.0.0.8", "example.com", "[::]", "localhost.example.com"])(
  "an API at %s, which other machines reach, does not start without a key",
  async (host) => {
    await expect(open(host)).rejects.toMatchObject({ code: "invalid_config" });
    await expect(open(host)).rejects.toThrow("baton keys create");
    const { id } = await makeKey(store.connection);
    await using gate = await open(host);
    expect(gate.demandsKeys()).toBe(true);
    // It refuses everybody then, and does not open.
    await openApiKeys(store.connection, systemIds).revoke(id);
    await until(() => gate.ring.size === 0, { what: "the key to be gone", withinMs: 4_000 });
    expect(gate.demandsKeys()).toBe(true);
    await expect(open(host)).rejects.toMatchObject({ code: "invalid_config" });
  },
);

test("told to await a key, a public API starts without one, demands one of everybody, and takes the first that is made", async () => {
  await using gate = await open("0.0.0.0", () => Date.now(), true);
  expect({ demandsKeys: gate.demandsKeys(), keys: gate.ring.size }).toEqual({ demandsKeys: true, keys: 0 });
  const { text } = await makeKey(store.connection);
  await until(() => gate.ring.find(text).kind === "found", { what: "the key", withinMs: 4_000 });
  // On loopback it changes nothing: the API there is for whoever is on this machine.
  await openApiKeys(store.connection, systemIds).revokeAll();
  await using local = await open("127.0.0.1", () => Date.now(), true);
  expect(local.demandsKeys()).toBe(false);
});

test("a key that has expired is none for a public API to start with", async () => {
  await makeKey(store.connection, { expiresAt: Date.now() + 60_000 });
  await expect(open("0.0.0.0", () => Date.now() + 61_000)).rejects.toMatchObject({ code: "invalid_config" });
});

test.each(["127.0.0.1", "localhost", "::1", "[::1]", "127.0.0.53"])(
  "an API at %s starts without a key",
  async (host) => {
    await using gate = await open(host);
    expect(gate.demandsKeys()).toBe(false);
    await makeKey(store.connection);
    await until(() => gate.demandsKeys(), { what: "the key to count", withinMs: 4_000 });
  },
);

test("a change whose hint was lost counts five seconds later at the latest", async () => {
  await using gate = await open("127.0.0.1");
  const { id, text } = await makeKey(store.connection);
  await until(() => gate.ring.find(text).kind === "found", { what: "the key" });
  // As the script does it, but for the hint.
  await store.connection.multi().hdel("{baton}:api-keys", id).hset("{baton}:api-keys", "rev", "other").exec();
  await until(() => gate.ring.find(text).kind === "refused", { what: "the refusal", withinMs: 7_000 });
});

test("closing does not wait for a Redis that is away", async () => {
  const gate = await open("127.0.0.1");
  store.connection.disconnect();
  await gate[Symbol.asyncDispose]();
});
