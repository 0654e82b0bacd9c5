/** Probes and metrics: what a process tells of itself and of the store, also while Redis does not answer. */
import { describe, expect, test } from "vitest";
import { breakDisk } from "../../../../test/support/broken-disk.ts";
import { freshRedis, useRedis } from "../../../../test/support/redis.ts";
import { until } from "../../../../test/support/until.ts";
import { type ApiRig, openApiRig } from "../testing/api-rig.ts";

const redis = useRedis();
const GPT = "openai/gpt-5.2";

/** The value of a sample, by its whole name; undefined when there is none. */
async function sample(api: ApiRig, name: string): Promise<number | undefined> {
  const { text } = await api.call("GET", "/metrics");
  const line = text.split("\n").find((one) => one.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

describe("metrics", () => {
  test("count what was answered by route and status, never by path", async () => {
    await using api = await openApiRig(redis.url);
    const { body } = await api.call("POST", "/v1/runs?wait=20", { input: "hi", model: GPT });
    for (const _ of [1, 2]) await api.call("GET", `/v1/runs/${body.id}`);
    await api.call("GET", "/v1/runs/r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V");
    await api.call("GET", "/v1/no/such/path");
    const { text, headers, status } = await api.call("GET", "/metrics");
    expect(status).toBe(200);
    expect(headers.get("content-type")).toContain("text/plain");
    const count = (method: string, route: string, kind: string) =>
      `baton_api_requests_total{method="${method}",route="${route}",status="${kind}"}`;
    expect(await sample(api, count("GET", "/v1/runs/:id", "2xx"))).toBe(2);
    expect(await sample(api, count("GET", "/v1/runs/:id", "4xx"))).toBe(1);
    expect(await sample(api, count("POST", "/v1/runs", "2xx"))).toBe(1);
    expect(await sample(api, count("GET", "none", "4xx"))).toBe(1);
    const seconds = 'baton_api_request_duration_seconds_count{method="GET",route="/v1/runs/:id"}';
    expect(await sample(api, seconds)).toBe(3);
    expect(text).not.toContain(body.id);
    expect(text).not.toContain("such");
  });

  test("tell what is true of the store, and of the event loop", async () => {
    await using api = await openApiRig(redis.url);
    await api.call("POST", "/v1/runs?wait=20", { input: "hi", model: GPT });
    await until(async () => (await sample(api, 'baton_runs{status="succeeded"}')) === 1, { what: "the run" });
    expect(await sample(api, "baton_store_up")).toBe(1);
    expect(await sample(api, "nodejs_eventloop_lag_seconds")).toBeGreaterThanOrEqual(0);
    expect(await sample(api, `baton_backlog_runs{pool="${GPT}",state="active"}`)).toBe(0);
  });

  test("tell how many answers are open, and how many of them stream", async () => {
    await using api = await openApiRig(redis.url);
    const { body } = await api.call("POST", "/v1/runs", { input: "hi", model: "xai/grok-4-1" });
    const leave = new AbortController();
    const { signal } = leave;
    const watching = await fetch(`${api.url}/v1/runs/${body.id}/events?after=0-0`, { signal });
    expect(watching.status).toBe(200);
    const waiting = fetch(`${api.url}/v1/runs/${body.id}?wait=60`, { signal }).then(
      () => "answered",
      () => "left",
    );
    // The scrape itself is open while it is written.
    await until(async () => (await sample(api, "baton_api_requests_open")) === 3, {
      what: "the waiting one",
    });
    expect(await sample(api, "baton_api_streams_open")).toBe(1);
    leave.abort();
    expect(await waiting).toBe("left");
    await until(async () => (await sample(api, "baton_api_requests_open")) === 1, {
      what: "both to be gone",
    });
    expect(await sample(api, "baton_api_streams_open")).toBe(0);
  });
});

describe("while Redis does not answer", () => {
  test("the API is alive and not ready, says so in its metrics, and is ready again by itself", async () => {
    await using own = await freshRedis();
    await using api = await openApiRig(own.url);
    expect(await api.call("GET", "/readyz")).toMatchObject({ status: 200, text: "ok\n" });
    process.kill(own.pid, "SIGSTOP");
    try {
      expect(await api.call("GET", "/readyz")).toMatchObject({
        status: 503,
        text: "redis does not answer\n",
      });
      expect(await api.call("GET", "/healthz")).toMatchObject({ status: 200, text: "ok\n" });
      expect(await sample(api, "baton_store_up")).toBe(0);
    } finally {
      process.kill(own.pid, "SIGCONT");
    }
    await until(async () => (await api.call("GET", "/readyz")).status === 200, {
      what: "the API to be ready",
    });
    await until(async () => (await sample(api, "baton_store_up")) === 1, { what: "the store to be up" });
  });
});

test("while Redis cannot write to its disk, whoever asks is told so, and nothing looks like success", async () => {
  await using own = await freshRedis();
  await using api = await openApiRig(own.url);
  const { body: before } = await api.call("POST", "/v1/runs?wait=20", { input: "hi", model: GPT });
  await using disk = await breakDisk(own);
  expect(await api.call("GET", "/readyz")).toMatchObject({
    status: 503,
    text: "redis cannot write to its disk\n",
  });
  const ask = () => api.call("POST", "/v1/runs", { input: "hi", model: GPT });
  // What Redis itself refuses, and what is refused once it is known.
  for (const look of [undefined, "/v1/runs?limit=1"]) {
    const answer =
      look === undefined
        ? await ask()
        : await until(
            async () => {
              const { status } = await api.call("GET", look);
              return status === 503 ? await ask() : undefined;
            },
            { what: "the API to know" },
          );
    expect(answer).toMatchObject({ status: 503, body: { error: { code: "redis_unreachable" } } });
    expect(answer.text).toContain("cannot write to its disk");
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  }
  await disk.mend();
  await until(async () => (await api.call("GET", "/readyz")).status === 200, { what: "the API to be ready" });
  await until(async () => (await api.call("GET", "/v1/runs")).status === 200, { what: "an answer" });
  const { data } = (await api.call("GET", "/v1/runs")).body;
  expect(data.map(({ id }: { id: string }) => id)).toEqual([before.id]);
});
