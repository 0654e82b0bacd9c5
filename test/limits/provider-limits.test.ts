/**
 * Many workers, one account: a real HTTP server that enforces limits, the real SDK adapter, real Redis. The minute is
 * scaled to a few seconds.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { type ConfigInput, modelIdSchema, type ProviderConfig, type RunId } from "@baton/core";
import { createAdapters } from "@baton/providers";
import { expect, test } from "vitest";
import { useRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { openRig } from "../support/worker-rig.ts";
import {
  type Arrival,
  type EnforcingServer,
  enforcingServer,
  mostInWindow,
  PROMPT_TOKENS,
  shareUsed,
} from "./enforcing-server.ts";

const redis = useRedis();

const WINDOW_MS = 8_000;
/** On its way to its server a call of a minute may be late by half a second. Scaled, no busy machine could keep that. */
const LATE_MS = 200;
/** From one look at how late it is to the next. */
const STEP_MS = 5;
const SIM = modelIdSchema.parse("sim/a");
/** As many characters as the server counts tokens, by four. */
const INPUT = "x".repeat(4 * PROMPT_TOKENS);
const TWIN = modelIdSchema.parse("twin/b");

/** Workers of two providers that are one server, and a way to submit many runs. */
async function open(
  server: EnforcingServer,
  options: {
    readonly provider?: Partial<ProviderConfig>;
    readonly workers: number;
    readonly config?: ConfigInput;
    readonly concurrency?: number;
    readonly windowMs?: number;
  },
) {
  await redis.connect().flushall();
  const provider = { api: "openai-chat", ...options.provider } as const;
  const rig = await openRig(redis.url, { providers: { sim: provider, twin: provider }, ...options.config });
  const reached = { api: "openai-chat", baseURL: server.url } as const;
  const adapters = createAdapters({
    providers: { sim: reached, twin: reached },
    limits: { modelIdleMs: 10_000, modelCallMs: 20_000 },
  });
  for (let count = 0; count < options.workers; count += 1) {
    await rig.startWorker({
      adapters,
      patterns: [SIM, TWIN],
      limitWindowMs: options.windowMs ?? WINDOW_MS + LATE_MS,
      concurrency: options.concurrency ?? 50,
    });
  }
  const submit = async (
    count: number,
    models: readonly (typeof SIM)[] = [SIM],
  ): Promise<readonly RunId[]> => {
    const submitted = Array.from({ length: count }, (_, index) =>
      rig.producer.submit({
        input: INPUT,
        model: [{ model: models[index % models.length] ?? SIM, settings: { max_output_tokens: 90 } }],
      }),
    );
    return (await Promise.all(submitted)).map(({ runId }) => runId);
  };
  return { rig, submit, [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]() };
}

/**
 * A window as long as could be kept here: when processes get no time for longer than a call may be late, it comes later than
 * it was booked for, whoever booked it. What goes the way of a call all the while, to Redis and then to a server, tells how
 * late that may be.
 */
async function watchLateness(): Promise<() => Promise<number>> {
  const server = createServer((_, response) => void response.end()).listen(0, "127.0.0.1");
  await once(server, "listening");
  // A server that listens on a port has an address of this kind.
  const { port } = server.address() as AddressInfo;
  const connection = redis.connect();
  let isOver = false;
  let lateMs = 0;
  const going = (async () => {
    while (!isOver) {
      const from = performance.now();
      await delay(STEP_MS);
      await connection.ping();
      await (await fetch(`http://127.0.0.1:${port}/`)).arrayBuffer();
      lateMs = Math.max(lateMs, performance.now() - from);
    }
  })();
  return async () => {
    isOver = true;
    await going;
    server.closeAllConnections();
    server.close();
    return WINDOW_MS - Math.max(0, lateMs - LATE_MS);
  };
}

const requestsOf = () => 1;
const tokensOf = ({ tokens }: Arrival) => tokens;
const refusedBy = (server: EnforcingServer) => server.arrivals.filter(({ isRefused }) => isRefused);

test("requests a minute: a server with a rolling window sees no more than the limit, from all pools of the account together, and nearly all of it while there is work", {
  timeout: 90_000,
}, async () => {
  const limit = 120;
  const windows = 3;
  await using server = await enforcingServer({
    limits: { kind: "rolling", windowMs: WINDOW_MS, requests: limit, tokens: 1e9 },
  });
  await using flow = await open(server, { provider: { account: "one", limits: { rpm: limit } }, workers: 4 });
  // What is slow once is over before it counts: the first connections, the first calls of everything.
  await flow.submit(20);
  await until(() => server.arrivals.length >= 20, { what: "the first calls" });
  const windowKept = await watchLateness();
  await flow.submit(limit * (windows + 1), [SIM, TWIN]);
  await until(() => server.arrivals.length >= limit * windows, { what: "the calls", withinMs: 50_000 });
  expect(mostInWindow(server.arrivals, await windowKept(), requestsOf)).toBeLessThanOrEqual(limit + 1);
  expect(refusedBy(server).length).toBeLessThanOrEqual(0.02 * server.arrivals.length);
  const share = shareUsed(server.arrivals, { windowMs: WINDOW_MS, windows, limit }, requestsOf);
  expect(share).toBeGreaterThanOrEqual(0.95);
});

test("tokens a minute, of replies that differ: a server with a token bucket sees no more than the limit and one call, and nearly all of it", {
  timeout: 90_000,
}, async () => {
  const outputOf = (call: number) => 20 + ((call * 37) % 61);
  const limit = 100 * (PROMPT_TOKENS + 50);
  const windows = 3;
  await using server = await enforcingServer({
    limits: { kind: "bucket", windowMs: WINDOW_MS, requests: 1e9, tokens: limit },
    outputOf,
  });
  await using flow = await open(server, { provider: { limits: { tpm: limit } }, workers: 4 });
  await flow.submit(20);
  await until(() => server.arrivals.length >= 20, { what: "the first calls" });
  const windowKept = await watchLateness();
  await flow.submit(100 * (windows + 1));
  const asked = () => server.arrivals.reduce((sum, arrival) => sum + tokensOf(arrival), 0);
  await until(() => asked() >= limit * windows, { what: "the calls", withinMs: 50_000 });
  const largest = PROMPT_TOKENS + 81;
  expect(mostInWindow(server.arrivals, await windowKept(), tokensOf)).toBeLessThanOrEqual(limit + largest);
  expect(refusedBy(server).length).toBeLessThanOrEqual(0.02 * server.arrivals.length);
  const share = shareUsed(server.arrivals, { windowMs: WINDOW_MS, windows, limit }, tokensOf);
  expect(share).toBeGreaterThanOrEqual(0.95);
});

test("limits that nobody configured are learned from the headers of the first reply", {
  timeout: 60_000,
}, async () => {
  const limit = 60;
  await using server = await enforcingServer({
    limits: { kind: "rolling", windowMs: WINDOW_MS, requests: limit, tokens: 100_000 },
    headers: true,
  });
  await using flow = await open(server, { workers: 3 });
  await flow.submit(1);
  await until(async () => (await flow.rig.ledger.limits(WINDOW_MS)).length > 0, { what: "the limits" });
  expect(await flow.rig.ledger.limits(WINDOW_MS + LATE_MS)).toMatchObject([
    { name: "sim/a", requests: { limit, learned: true }, tokens: { limit: 100_000, learned: true } },
  ]);
  await flow.submit(limit * 2 - 1);
  await until(() => server.arrivals.length >= limit * 2, { what: "the calls", withinMs: 30_000 });
  // A worker that has not heard of the limits yet may ask too much once.
  expect(refusedBy(server).length).toBeLessThanOrEqual(3);
});

test("what others use of the account by the provider's word is left to them", {
  timeout: 60_000,
}, async () => {
  const limit = 60;
  await using server = await enforcingServer({
    limits: { kind: "bucket", windowMs: WINDOW_MS, requests: 1e6, tokens: limit * 20 },
    headers: true,
  });
  await using flow = await open(server, { workers: 1 });
  // The first reply tells what a reply takes; the second, what is left.
  for (const id of await flow.submit(1)) await flow.rig.producer.result(id, AbortSignal.timeout(10_000));
  server.useUp(limit * 15);
  await flow.submit(1);
  const othersUse = async () => {
    const buckets = await flow.rig.ledger.limits(WINDOW_MS + LATE_MS);
    return buckets.find(({ name }) => name === "sim/a")?.tokens.others ?? 0;
  };
  await until(async () => (await othersUse()) > limit * 10, { what: "what others use" });
  await flow.submit(limit);
  await until(() => server.arrivals.length >= limit, { what: "the calls", withinMs: 30_000 });
  expect(refusedBy(server)).toEqual([]);
});

test("a storm of bare refusals holds all pools of the account, and fails no run", {
  timeout: 60_000,
}, async () => {
  await using server = await enforcingServer({ limits: undefined, refusals: 20 });
  await using flow = await open(server, {
    workers: 3,
    windowMs: 1_000,
    provider: { account: "one" },
    // Were a refusal a failure, the first would be the last.
    config: { limits: { modelAttemptsMax: 1 } },
  });
  const ids = await flow.submit(60, [SIM, TWIN]);
  await until(() => refusedBy(server).length > 0, { what: "a refusal" });
  await until(async () => (await flow.rig.ledger.holds()).size === 2, { what: "both pools to be held" });
  for (const id of ids) {
    const result = await flow.rig.producer.result(id, AbortSignal.timeout(45_000));
    expect(result).toMatchObject({ status: "succeeded" });
  }
  expect(refusedBy(server)).toHaveLength(20);
});

test("calls at once: never more than the account has, and all of them while there is work", {
  timeout: 60_000,
}, async () => {
  await using server = await enforcingServer({ limits: undefined, replyMs: 150 });
  await using flow = await open(server, {
    workers: 3,
    provider: { account: "one", limits: { concurrent: 5 } },
    concurrency: 20,
  });
  const startedAt = performance.now();
  const ids = await flow.submit(60, [SIM, TWIN]);
  for (const id of ids) {
    expect(await flow.rig.producer.result(id, AbortSignal.timeout(45_000))).toMatchObject({
      status: "succeeded",
    });
  }
  expect(server.mostAtOnce).toBe(5);
  // Twelve rounds of 150 ms.
  expect(performance.now() - startedAt).toBeLessThan(12_000);
});
