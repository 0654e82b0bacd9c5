/** An API whose Redis goes: it says so within two seconds, keeps its streams, and is back by itself. */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Answer, type ApiRig, openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { sendSignal } from "../support/processes.ts";
import { freshRedis, type PrivateRedis } from "../support/redis.ts";
import { eventsIn, openSse } from "../support/sse-client.ts";
import { until } from "../support/until.ts";

let redis: PrivateRedis;
let api: ApiRig;
/** Ends the models' replies. */
let finish: () => void;
beforeAll(async () => {
  redis = await freshRedis();
  let waiting: (() => void)[] = [];
  finish = () => {
    for (const resolve of waiting) resolve();
    waiting = [];
  };
  api = await openApiRig(redis.url, {
    script: async (_request, signal, onDelta) => {
      onDelta({ kind: "text", text: "Hel" });
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      return { parts: [{ type: "text", text: "lo." }] };
    },
    api: { streamPace: { heartbeatMs: 100, stallMs: 5_000 } },
  });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

/** Brings back a Redis that is away; a test that fails must not leave it so. */
let comingBack: (() => void | Promise<void>) | undefined;
afterEach(async () => {
  await comingBack?.();
  comingBack = undefined;
});

const spec = { input: "hi", model: "openai/gpt-5.2" };

/** What a caller may wait for a refusal: patience, and what a busy machine adds. */
const REFUSED_WITHIN_MS = 4_000;

function expectRefused({ status, headers, body }: Answer): void {
  expect({ status, code: body?.error?.code }).toEqual({ status: 503, code: "redis_unreachable" });
  expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
}

async function expectBack(): Promise<void> {
  await until(async () => (await api.call("GET", "/readyz")).status === 200, { what: "a green readyz" });
  await until(async () => (await api.call("GET", "/v1/runs?limit=1")).status === 200, { what: "an answer" });
}

interface Absence {
  readonly what: string;
  readonly leave: () => void | Promise<void>;
  readonly comeBack: () => void | Promise<void>;
}

const absences: readonly Absence[] = [
  {
    what: "was killed",
    leave: () => sendSignal(redis.pid, "SIGKILL"),
    comeBack: async () => {
      const { pid } = await redis.restart();
      Object.assign(redis, { pid });
    },
  },
  {
    what: "hangs",
    leave: () => sendSignal(redis.pid, "SIGSTOP"),
    comeBack: () => sendSignal(redis.pid, "SIGCONT"),
  },
];

describe.each(absences)("a Redis that $what", ({ leave, comeBack }) => {
  test("is told of within seconds, and requests work again when it is back", async () => {
    const waiting = await api.call("POST", "/v1/runs?wait=1", spec);
    expect(waiting.status).toBe(202);
    const open = api.call("POST", "/v1/runs?wait=60", spec);
    const reader = await openSse(`${api.url}/v1/runs/${waiting.body.id}/events?after=0-0`);
    await until(() => reader.frames.some(({ event }) => event === "text"), { what: "the first words" });
    await leave();
    comingBack = comeBack;
    const since = performance.now();
    const asked = [
      open,
      api.call("GET", `/v1/runs/${waiting.body.id}`),
      api.call("POST", "/v1/runs", spec, { "idempotency-key": "sent while it was away" }),
    ];
    for (const answer of await Promise.all(asked)) expectRefused(answer);
    expect(performance.now() - since).toBeLessThan(REFUSED_WITHIN_MS);
    const again = performance.now();
    expectRefused(await api.call("GET", `/v1/runs/${waiting.body.id}`));
    expect(performance.now() - again, "at once, now that it is known").toBeLessThan(1_000);
    await until(async () => (await api.call("GET", "/readyz")).status === 503, { what: "a red readyz" });
    expect((await api.call("GET", "/healthz")).status).toBe(200);
    const beats = reader.comments.length;
    await until(() => reader.comments.length > beats + 2, { what: "heartbeats meanwhile" });
    await comeBack();
    comingBack = undefined;
    await expectBack();
    const key = { "idempotency-key": "sent while it was away" };
    const first = await api.call("POST", "/v1/runs", spec, key);
    expect([200, 202]).toContain(first.status);
    expect((await api.call("POST", "/v1/runs", spec, key)).body.id).toBe(first.body.id);
    const done = setInterval(finish, 50);
    expect(await reader.ended).toBe(true);
    clearInterval(done);
    expect(reader.frames.at(-1)?.event).toBe("end");
    const whole = await openSse(`${api.url}/v1/runs/${waiting.body.id}/events?after=0-0`);
    await whole.ended;
    expect(eventsIn(reader.frames)).toEqual(eventsIn(whole.frames));
  }, 60_000);
});

test("readers that drop while Redis hangs are forgotten at once, and their subscriptions when it is back", async () => {
  const { hub, connection } = api.store;
  const { body } = await api.call("POST", "/v1/runs?wait=1", spec);
  const before = hub.waiters;
  const readers = await Promise.all(
    Array.from({ length: 10 }, () => openSse(`${api.url}/v1/runs/${body.id}/events`)),
  );
  await until(() => hub.waiters === before + 10, { what: "their subscriptions" });
  sendSignal(redis.pid, "SIGSTOP");
  comingBack = () => sendSignal(redis.pid, "SIGCONT");
  for (const reader of readers) reader.drop();
  await until(() => hub.waiters === before, { what: "the end of the waiting" });
  sendSignal(redis.pid, "SIGCONT");
  await until(async () => (await connection.pubsub("CHANNELS", `*${body.id}*`)).length === 0, {
    what: "the end of the subscription at Redis",
  });
  await expectBack();
});

test("a primary that became a replica is as good as away", async () => {
  const { connection } = api.store;
  await connection.call("REPLICAOF", "127.0.0.1", "1");
  const since = performance.now();
  expectRefused(await api.call("POST", "/v1/runs", spec));
  expect(performance.now() - since).toBeLessThan(REFUSED_WITHIN_MS);
  const other = new Redis(redis.url);
  await other.call("REPLICAOF", "NO", "ONE");
  other.disconnect();
  await expectBack();
  expect((await api.call("POST", "/v1/runs", spec)).status).toBe(202);
});

test("a Redis that is full refuses new runs with its code, and reading goes on", async () => {
  const { connection } = api.store;
  await connection.config("SET", "maxmemory", "1mb");
  try {
    const { status, headers, body } = await api.call("POST", "/v1/runs", spec);
    expect({ status, code: body.error.code }).toEqual({ status: 503, code: "redis_full" });
    expect(headers.get("retry-after")).not.toBeNull();
    expect((await api.call("GET", "/v1/runs?limit=1")).status).toBe(200);
  } finally {
    await connection.config("SET", "maxmemory", "0");
  }
  expect((await api.call("POST", "/v1/runs", spec)).status).toBe(202);
});
