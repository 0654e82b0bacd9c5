import { afterAll, beforeAll, expect, test } from "vitest";
import { type CliRig, openCli } from "../support/cli.ts";
import type { ScriptProcess } from "../support/processes.ts";
import { type Exposition, parseExposition } from "../support/prometheus-text.ts";
import { useRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

const redis = useRedis();
let cli: CliRig;
beforeAll(async () => {
  cli = await openCli(redis.url);
});
afterAll(async () => cli[Symbol.asyncDispose]());

const BOTH = ["-m", "openai/gpt-5.2", "-m", "anthropic/claude-opus-4-5"];

async function startWorker(
  args: readonly string[],
  env = {},
): Promise<{ worker: ScriptProcess; url: string }> {
  const worker = await cli.start(["worker", ...args, "--json"], env);
  const [line] = await worker.line(/^\{.*\}$/, 20_000);
  const { metrics }: { metrics: string } = JSON.parse(line);
  return { worker, url: metrics };
}

async function scrape(url: string): Promise<Exposition> {
  const response = await fetch(`${url}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  return parseExposition(await response.text());
}

test("a worker that did real work tells what it did, and what the whole store holds", async () => {
  const { worker, url } = await startWorker(["-m", "openai/*", "-m", "anthropic/*", "--metrics-port", "0"]);
  await using _worker = worker;
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const told = await cli.run([
    "run",
    "Research tidal power, then write a short essay about it",
    ...BOTH,
    "--mcp",
    "documents",
    "--json",
  ]);
  const result: { status: string; usage: { input_tokens: number }; tools_called: string[] } = JSON.parse(
    told.stdout,
  );
  expect(result.status).toBe("succeeded");

  // The store's values may be a second old.
  const seen = await until(
    async () => {
      const now = await scrape(url);
      const isWhole =
        now.value("baton_runs", { status: "succeeded" }) === 1 &&
        now.value("baton_reconciler_pass_age_seconds") !== undefined;
      return isWhole && now;
    },
    { what: "the run among the store's ended ones, and a pass of the reconciler" },
  );
  const gpt = { pool: "openai/gpt-5.2" };
  expect(seen.value("baton_store_up")).toBe(1);
  expect(seen.value("baton_workers")).toBe(1);
  expect(seen.value("baton_pool_workers", gpt)).toBe(1);
  expect(seen.value("baton_pool_places", gpt)).toBe(50);
  expect(seen.value("baton_backlog_runs", { ...gpt, state: "waiting" })).toBe(0);
  expect(seen.value("baton_oldest_wait_seconds", gpt)).toBe(0);
  expect(seen.value("baton_reconciler_pass_age_seconds")).toBeLessThan(10);
  expect(seen.value("baton_phase_duration_seconds_count", { ...gpt, outcome: "handoff" })).toBe(1);
  expect(
    seen.value("baton_phase_duration_seconds_count", {
      pool: "anthropic/claude-opus-4-5",
      outcome: "succeed",
    }),
  ).toBe(1);
  expect(seen.value("baton_model_call_duration_seconds_count", { ...gpt, outcome: "ok" })).toBeGreaterThan(1);
  expect(seen.value("baton_time_to_first_token_seconds_count", gpt)).toBeGreaterThan(1);
  // A tool may be called more than once.
  const toolCalls = seen.value("baton_tool_calls_total", { outcome: "ok" });
  expect(toolCalls).toBeGreaterThanOrEqual(result.tools_called.length);
  expect(seen.value("baton_tool_call_duration_seconds_count", { outcome: "ok" })).toBe(toolCalls);
  expect(seen.value("baton_runs_ended_total", { status: "succeeded", code: "" })).toBe(1);
  expect(seen.value("baton_cost_usd_total", gpt)).toBeGreaterThan(0);
  expect(seen.value("nodejs_eventloop_lag_p99_seconds")).toBeGreaterThan(0);
  const input = seen.samples.filter(
    ({ name, labels }) => name === "baton_tokens_total" && labels.kind === "input",
  );
  expect(input.reduce((sum, sample) => sum + sample.value, 0)).toBe(result.usage.input_tokens);
  // No label has a run's id for its value: there is no end to those.
  expect(seen.text).not.toMatch(/r_0_[0-9A-Z]{26}/);
});

test("probes and other paths: ready while it works, 404 and 405 otherwise; the variable asks for them too", async () => {
  const { worker, url } = await startWorker(["-m", "openai/*"], { BATON_METRICS_PORT: "0" });
  await using _worker = worker;
  const ask = async (path: string, method = "GET") => {
    const response = await fetch(url + path, { method });
    return [response.status, await response.text()];
  };
  expect(await ask("/healthz")).toEqual([200, "ok\n"]);
  expect(await ask("/readyz")).toEqual([200, "ok\n"]);
  expect(await ask("/metrics", "HEAD")).toEqual([200, ""]);
  expect(await ask("/metrics", "POST")).toEqual([405, "use GET\n"]);
  expect((await ask("/constructor"))[0]).toBe(404);
  worker.signal("SIGTERM");
  expect(await worker.end(20_000)).toEqual({ code: 0, signal: null });
});

test("without the flag nothing listens and the ready line does not speak of it; a taken port is said so", async () => {
  await using plain = await cli.start(["worker", "-m", "openai/*", "--json"]);
  const [line] = await plain.line(/^\{.*\}$/, 20_000);
  expect(JSON.parse(line)).not.toHaveProperty("metrics");

  const { worker, url } = await startWorker(["-m", "openai/*", "--metrics-port", "0"]);
  await using _worker = worker;
  const { port } = new URL(url);
  const second = await cli.run(["worker", "-m", "openai/*", "--metrics-port", port]);
  expect(second.code).toBe(2);
  expect(second.stderr).toMatch(/^baton: metrics cannot be served at 127\.0\.0\.1:\d+ \(EADDRINUSE\)/);
  const wrong = await cli.run(["worker", "-m", "openai/*"], { BATON_METRICS_PORT: "http" });
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("BATON_METRICS_PORT is http") });
});
