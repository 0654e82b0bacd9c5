/** `baton api` is told to stop while somebody waits for the first result of a batch: no line was sent, so there is an answer. */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { callApi } from "../../apps/api/src/testing/api-rig.ts";
import { ApiProcess } from "../support/api-process.ts";
import { parseExposition } from "../support/prometheus-text.ts";
import { useRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

const redis = useRedis();
let api: ApiProcess;
beforeAll(async () => {
  api = await ApiProcess.start(redis.url);
});
afterAll(() => api[Symbol.asyncDispose]());

test.each([
  { what: "results", waitsMs: 0 },
  { what: "errors", waitsMs: 0 },
  // The answer is a stream by then, of which nothing was sent.
  { what: "results", waitsMs: 1_500 },
])(
  "who waits for the first of the $what, for $waitsMs ms, is told when to come again",
  async ({ what, waitsMs }) => {
    if ((await Promise.race([api.process.ended, undefined])) !== undefined) await api.startAgain();
    // Nobody serves it: there is nothing to tell.
    const line = JSON.stringify({ custom_id: "a", body: { input: "hi", model: "openai/gpt-5.2" } });
    const headers = { "content-type": "application/x-ndjson" };
    const sent = await fetch(`${api.url}/v1/batches?id=b`, { method: "POST", headers, body: `${line}\n` });
    expect(sent.status).toBe(202);
    const waiting = callApi(api.url, "GET", `/v1/batches/b/${what}?order=finished&follow=true`);
    await until(async () => (await requestsOpen()) === 2, { what: "the request, beside the one that asks" });
    await delay(waitsMs);
    api.process.signal("SIGTERM");
    const { status, headers: told, body } = await waiting;
    expect({ status, code: body.error.code }).toEqual({ status: 503, code: "shutting_down" });
    expect(Number(told.get("retry-after"))).toBeGreaterThan(0);
    await api.process.end();
    expect(api.process.stderr).not.toContain("already sent");
  },
);

async function requestsOpen(): Promise<number | undefined> {
  const text = await (await fetch(`${api.url}/metrics`)).text();
  return parseExposition(text).value("baton_api_requests_open");
}
