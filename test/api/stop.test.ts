/** `baton api` as a process that is told to stop: what it does with those who are there, and how soon it ends. */
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { callApi } from "../../apps/api/src/testing/api-rig.ts";
import { ApiProcess } from "../support/api-process.ts";
import { sendSignal } from "../support/processes.ts";
import { freshRedis, type PrivateRedis } from "../support/redis.ts";
import { openSse } from "../support/sse-client.ts";
import { until } from "../support/until.ts";

let redis: PrivateRedis;
let api: ApiProcess;
beforeAll(async () => {
  redis = await freshRedis();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  api = await ApiProcess.start(redis.url, ["--drain", "5"]);
});
afterEach(() => api[Symbol.asyncDispose]());

// Nobody serves it: the run stays queued.
const spec = { input: "hi", model: "openai/gpt-5.2" };

test("those who wait get the run so far, readers are told to come again, and the process ends in order", async () => {
  const waiting = callApi(api.url, "POST", "/v1/runs?wait=60", { ...spec, metadata: { who: "waits" } });
  const { id } = await until(
    async () => (await callApi(api.url, "GET", "/v1/runs?metadata.who=waits")).body.data[0],
    { what: "the run" },
  );
  const reader = await openSse(`${api.url}/v1/runs/${id}/events`);
  const since = performance.now();
  api.process.signal("SIGTERM");
  expect(await api.process.end(5_000)).toEqual({ code: 0, signal: null });
  expect(performance.now() - since, "long before its deadline").toBeLessThan(4_000);
  expect(await waiting).toMatchObject({ status: 202, body: { id, status: "queued" } });
  expect(await reader.ended, "its stream ends in order").toBe(true);
  expect(reader.comments.at(-1)).toContain("come again");
  expect(reader.frames.some(({ event }) => event === "end")).toBe(false);
  await expect(fetch(`${api.url}/healthz`), "nobody listens").rejects.toThrow();
});

test("a request that never ends is cut at the deadline, and the process ends in order", async () => {
  const socket = await halfRequest();
  const since = performance.now();
  api.process.signal("SIGTERM");
  expect(await api.process.end(10_000)).toEqual({ code: 0, signal: null });
  const tookMs = performance.now() - since;
  expect(tookMs).toBeGreaterThan(4_000);
  expect(tookMs).toBeLessThan(8_000);
  socket.destroy();
});

test("a request that comes in while it stops is refused, to be sent to another one", async () => {
  const socket = connect(Number(new URL(api.url).port), "127.0.0.1").setEncoding("utf8");
  await once(socket, "connect");
  let answer = "";
  socket.on("data", (text: string) => {
    answer += text;
  });
  socket.write("GET /v1/runs HTTP/1.1\r\nhost: 127.0.0.1\r\n");
  await fetch(`${api.url}/healthz`);
  api.process.signal("SIGTERM");
  await refusesConnections();
  socket.write("\r\n");
  await once(socket, "close");
  expect(answer).toMatch(/^HTTP\/1\.1 503 /);
  expect(answer.toLowerCase()).toContain("connection: close");
  expect(answer).toContain('"code":"shutting_down"');
  expect(await api.process.end(5_000)).toEqual({ code: 0, signal: null });
});

test("it listens before all else: who comes while it waits for Redis is answered when Redis is back", async () => {
  const port = new URL(api.url).port;
  await api.process.kill();
  sendSignal(redis.pid, "SIGSTOP");
  try {
    const started = api.startAgain();
    const early = until(() => fetch(`${api.url}/v1/runs?limit=1`), { what: "the door" });
    await until(() => isTaken(Number(port)), { what: "a connection" });
    sendSignal(redis.pid, "SIGCONT");
    expect((await early).status).toBe(200);
    await started;
  } finally {
    sendSignal(redis.pid, "SIGCONT");
  }
});

test("a second signal ends it at once", async () => {
  const socket = await halfRequest();
  api.process.signal("SIGTERM");
  await refusesConnections();
  const since = performance.now();
  api.process.signal("SIGTERM");
  await api.process.end(5_000);
  expect(performance.now() - since).toBeLessThan(2_000);
  socket.destroy();
});

test("it answers those who wait and stops in order while Redis hangs", async () => {
  const waiting = callApi(api.url, "POST", "/v1/runs?wait=60", spec, { "idempotency-key": "h" });
  const { body } = await callApi(api.url, "POST", "/v1/runs", spec);
  const reader = await openSse(`${api.url}/v1/runs/${body.id}/events`);
  sendSignal(redis.pid, "SIGSTOP");
  try {
    api.process.signal("SIGTERM");
    expect(await api.process.end(10_000)).toEqual({ code: 0, signal: null });
    expect(await reader.ended).toBe(true);
    expect(await waiting).toMatchObject({ status: 503, body: { error: { code: "redis_unreachable" } } });
  } finally {
    sendSignal(redis.pid, "SIGCONT");
  }
});

/** A connection on which half of a request was sent. */
async function halfRequest() {
  const socket = connect(Number(new URL(api.url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  const body = '{"input": "hi"';
  socket.write(
    `POST /v1/runs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n${body}`,
  );
  // Behind an answer on another connection the server has seen this one.
  await fetch(`${api.url}/healthz`);
  return socket;
}

/** Whether somebody takes connections there. */
async function isTaken(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function refusesConnections(): Promise<void> {
  const isRefused = (): Promise<boolean> =>
    fetch(`${api.url}/healthz`).then(
      () => false,
      () => true,
    );
  await until(isRefused, { what: "the refusal of connections" });
}
