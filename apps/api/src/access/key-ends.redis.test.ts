/** A key that ends ends what it has under way. */
import { parseRunSpec } from "@baton/core";
import { openApiKeys } from "@baton/store";
import { afterEach, beforeEach, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { until } from "../../../../test/support/until.ts";
import { systemIds } from "../../../../test/support/worker-rig.ts";
import { makeKnownKey, type TestKey } from "../testing/api-keys.ts";
import { type ApiRig, openApiRig } from "../testing/api-rig.ts";
import { requestRuns } from "./request-runs.ts";

const redis = useRedis();
let api: ApiRig;
let release: () => void;
beforeEach(async () => {
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  api = await openApiRig(redis.url, {
    script: async () => {
      await gate;
      return { parts: [{ type: "text", text: "Hello." }] };
    },
    config: { api: { connectionsMax: 6 } },
  });
});
afterEach(async () => {
  release();
  await api[Symbol.asyncDispose]();
});

const spec = { input: "hi", model: "openai/gpt-5.2" };
const streamOf = (id: string, key: TestKey) =>
  fetch(`${api.url}/v1/runs/${id}/events`, { headers: key.headers, signal: AbortSignal.timeout(20_000) });
const runOf = async (key: TestKey): Promise<string> =>
  (await api.call("POST", "/v1/runs", spec, key.headers)).body.id;

/** What the holder of a key may do, while there is the key. */
function runsWhile(isKey: () => boolean) {
  const runsOf = requestRuns({ service: api.producer, ledger: api.store.ledger, files: undefined, isKey });
  return runsOf({ principal: { keyId: "k", namespace: "k", scopes: new Set(["submit"]) } });
}

/** Whether the stream was cut, and not ended in order. */
async function isCut(stream: Response): Promise<boolean> {
  try {
    await stream.text();
    return false;
  } catch (error) {
    // A reader that gave up by itself saw no cut.
    return !(error instanceof DOMException && error.name === "TimeoutError");
  }
}

test("by being revoked: streams are cut, waits are refused, and another key's go on", async () => {
  const [key, other] = [await makeKnownKey(api), await makeKnownKey(api)];
  const [id, otherId] = [await runOf(key), await runOf(other)];
  const [stream, otherStream] = await Promise.all([streamOf(id, key), streamOf(otherId, other)]);
  const waiting = api.call("GET", `/v1/runs/${id}?wait=20`, undefined, key.headers);
  // The stream's headers do not say that the wait has come in, too.
  await until(async () => (await openRequests(other)) >= 4, { what: "the wait to be under way" });
  await openApiKeys(redis.connect(), systemIds).revoke(key.id);
  expect(await isCut(stream)).toBe(true);
  expect(await waiting).toMatchObject({ status: 401, body: { error: { code: "unauthorized" } } });
  release();
  expect(await otherStream.text()).toContain("event: end");
});

test("by expiring: within seconds, though nobody tells of it", async () => {
  const key = await makeKnownKey(api, { expiresAt: Date.now() + 2_500 });
  const stream = await streamOf(await runOf(key), key);
  expect(await isCut(stream)).toBe(true);
});

test("a batch that goes in ends with its key, though it needs no connection any more", async () => {
  let isKnown = true;
  async function* lines() {
    for (let line = 1; line <= 10; line += 1) {
      isKnown = line <= 4;
      yield { kind: "run" as const, line, customId: `c${line}`, spec: parseRunSpec(spec) };
    }
  }
  const runs = runsWhile(() => isKnown);
  await expect(runs.submitBatch(lines(), { id: "b" }, AbortSignal.timeout(20_000))).rejects.toMatchObject({
    code: "unauthorized",
  });
  expect(await api.store.ledger.countSpace("k")).toMatchObject({ live: 4 });
});

test("so does what is done to all runs of a batch", async () => {
  let isKnown = true;
  const runs = runsWhile(() => isKnown);
  async function* lines() {
    for (let line = 1; line <= 500; line += 1)
      yield { kind: "run" as const, line, customId: `c${line}`, spec: parseRunSpec(spec) };
  }
  await runs.submitBatch(lines(), { id: "all" }, AbortSignal.timeout(20_000));
  let told = 0;
  const cancel = async (): Promise<void> => {
    for await (const _done of runs.cancelBatch("all", AbortSignal.timeout(20_000))) {
      told += 1;
      isKnown = told < 20;
    }
  };
  await expect(cancel()).rejects.toMatchObject({ code: "unauthorized" });
  expect(told).toBe(20);
  const { cancelled } = await api.store.ledger.countSpace("k");
  expect(cancelled).toBeLessThan(400);
  const retry = () => runs.retryBatch("all", { cancelled: true }, AbortSignal.timeout(20_000)).next();
  await expect(retry()).rejects.toMatchObject({ code: "unauthorized" });
});

test("the requests of one key hold half of the connections at most", async () => {
  const [key, other] = [await makeKnownKey(api), await makeKnownKey(api)];
  const id = await runOf(key);
  const streams = await Promise.all([streamOf(id, key), streamOf(id, key), streamOf(id, key)]);
  expect(streams.map(({ status }) => status)).toEqual([200, 200, 200]);
  const refused = await streamOf(id, key);
  expect(refused.status).toBe(429);
  expect(await refused.json()).toMatchObject({ error: { code: "rate_limited" } });
  expect((await api.call("GET", "/v1/runs", undefined, other.headers)).status).toBe(200);
  release();
  for (const stream of streams) await stream.text();
  await until(async () => (await streamOf(id, key)).status !== 429, { what: "room again" });
});

async function openRequests(key: TestKey): Promise<number> {
  const { text } = await api.call("GET", "/metrics", undefined, key.headers);
  return Number(/^baton_api_requests_open (\d+)$/m.exec(text)?.[1]);
}
