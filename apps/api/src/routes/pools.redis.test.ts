/** `/v1/pools` and `/v1/workers`: what is told of pools, and how they are steered, by ids that hold slashes. */
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { until } from "../../../../test/support/until.ts";
import { openApiRig } from "../testing/api-rig.ts";

const redis = useRedis();
const GPT = "openai/gpt-5.2";
const DEEP = "gateway/meta/llama-4:free";

describe("pools", () => {
  test("are told with what waits in them, who serves them, and what bounds them", async () => {
    const end = Promise.withResolvers<void>();
    await using api = await openApiRig(redis.url, {
      async script() {
        await end.promise;
        return { parts: [{ type: "text", text: "done" }] };
      },
    });
    using _ = { [Symbol.dispose]: () => end.resolve() };
    expect((await api.call("GET", "/v1/pools")).body).toEqual({ data: [] });
    await api.call("POST", "/v1/runs", { input: "hi", model: GPT });
    for (const _ of [1, 2]) await api.call("POST", "/v1/runs", { input: "hi", model: DEEP });
    const later = new Date(Date.now() + 3_600_000).toISOString();
    await api.call("POST", "/v1/runs", { input: "hi", model: DEEP, run_at: later });
    const { body } = await until(
      async () => {
        const answer = await api.call("GET", "/v1/pools");
        const [, gpt] = answer.body.data;
        return gpt?.active === 1 && gpt.workers === 1 ? answer : undefined;
      },
      { what: "the call to be at work, and the worker to tell of itself" },
    );
    expect(body.data.map((pool: { model: string }) => pool.model)).toEqual([DEEP, GPT]);
    const [deep, gpt] = body.data;
    expect(deep).toMatchObject({ backlog: 2, delayed: 1, active: 0, workers: 0, places: 0, held: null });
    expect(deep.oldest_wait_ms).toBeGreaterThan(0);
    expect(gpt).toMatchObject({ backlog: 1, active: 1, settings: {} });
    expect(gpt.places).toBeGreaterThan(0);
    expect((await api.call("GET", `/v1/pools/${GPT}`)).body).toMatchObject({ model: GPT, active: 1 });
    const { body: workers } = await api.call("GET", "/v1/workers");
    expect(workers.data).toHaveLength(1);
    expect(workers.data[0]).toMatchObject({ pid: process.pid, patterns: ["openai/*", "anthropic/*"] });
  });

  test.each([
    ["as people type it", DEEP],
    ["encoded", encodeURIComponent(DEEP)],
  ])("are steered by their id, %s", async (_, id) => {
    await using api = await openApiRig(redis.url);
    const path = `/v1/pools/${id}`;
    const set = await api.call("PATCH", path, { concurrency: 4, max_active: 9, rpm: 60 });
    expect(set).toMatchObject({ status: 200, body: { model: DEEP } });
    expect(set.body.settings).toEqual({ concurrency: 4, max_active: 9, rpm: 60 });
    const cleared = await api.call("PATCH", path, { rpm: null, tpm: 90_000 });
    expect(cleared.body.settings).toEqual({ concurrency: 4, max_active: 9, tpm: 90_000 });
    expect((await api.store.ledger.poolSettings()).get(cleared.body.model)).toEqual({
      concurrency: 4,
      maxActive: 9,
      tpm: 90_000,
    });
    expect((await api.call("POST", `${path}/pause`)).body.held).toEqual({ kind: "paused" });
    expect((await api.call("GET", path)).body.held).toEqual({ kind: "paused" });
    expect((await api.call("POST", `${path}/resume`, {})).body.held).toBeNull();
  });

  test("that a rate limit holds say for how long", async () => {
    await using api = await openApiRig(redis.url);
    const { body } = await api.call("PATCH", `/v1/pools/${GPT}`, { rpm: 1 });
    await api.store.ledger.hold(body.model, { kind: "for", ms: 60_000 });
    const { held } = (await api.call("GET", `/v1/pools/${GPT}`)).body;
    expect(held).toMatchObject({ kind: "rate_limited" });
    expect(held.ms).toBeGreaterThan(50_000);
  });

  test("of which nothing is known are a 404, until something was set for them", async () => {
    await using api = await openApiRig(redis.url);
    const missing = await api.call("GET", `/v1/pools/${DEEP}`);
    expect(missing).toMatchObject({ status: 404, body: { error: { code: "not_found" } } });
    expect((await api.call("POST", `/v1/pools/${DEEP}/resume`)).status).toBe(200);
    expect((await api.call("GET", `/v1/pools/${DEEP}`)).status).toBe(404);
    await api.call("PATCH", `/v1/pools/${DEEP}`, { rpm: 5 });
    expect((await api.call("GET", `/v1/pools/${DEEP}`)).body).toMatchObject({
      settings: { rpm: 5 },
      backlog: 0,
    });
  });

  test.each([
    [`/v1/pools/${GPT}`, {}, ""],
    [`/v1/pools/${GPT}`, { rpm: 0 }, "rpm"],
    [`/v1/pools/${GPT}`, { rpm: "many" }, "rpm"],
    [`/v1/pools/${GPT}`, { maxActive: 1 }, "maxActive"],
    ["/v1/pools/gpt", { rpm: 1 }, "model"],
  ])("take no %s with %j", async (path, body, field) => {
    await using api = await openApiRig(redis.url);
    const answer = await api.call("PATCH", path, body);
    expect(answer).toMatchObject({ status: 400, body: { error: { code: "invalid_spec" } } });
    expect(answer.text).toContain(field);
    expect(await api.store.ledger.poolSettings()).toEqual(new Map());
  });
});
