/** docker-compose.yml is what it says: valid, healthy, scaled model by model, stopped without loss, gone without trace. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type ConnectedProducer, connectProducer } from "@baton/producer";
import { beforeAll, describe, expect, test } from "vitest";
import { until } from "../support/until.ts";
import { command } from "./command.ts";
import { type ComposeProject, type Container, openProject } from "./compose-project.ts";
import { callApi, crash } from "./http-api.ts";
import { ended, purchasesOf, readRuns, statusesOf, submitResearch } from "./research-runs.ts";
import { openSimulatedHost, type SimulatedHost } from "./simulated-host.ts";

const RUNS = 8;
/** A run takes about three seconds. */
const PACE = { firstTokenMs: 250, tokensPerSecond: 500 };

let host: SimulatedHost;
let project: ComposeProject;
/** Of the API. */
let key = "";
beforeAll(async () => {
  const stack = new AsyncDisposableStack();
  host = stack.use(await openSimulatedHost(PACE));
  project = stack.use(await openProject(host.config));
  return () => stack.disposeAsync();
});

async function allHealthy(): Promise<readonly Container[]> {
  return until(
    async () => {
      const containers = await project.containers();
      return containers.every(({ health }) => health === "healthy") && containers;
    },
    { what: "healthy containers", withinMs: 90_000 },
  );
}

function servicesOf(containers: readonly Container[]): readonly string[] {
  return containers.map(({ service }) => service).sort();
}

async function connect(): Promise<ConnectedProducer> {
  const address = await project.compose("port", "redis", "6379");
  return connectProducer({ url: `redis://${address}` });
}

describe("docker-compose.yml", () => {
  test("is valid, holds no secret, and publishes nothing beyond loopback", async () => {
    const text = await project.compose("config");
    expect(text).toContain("worker-anthropic:");
    // Ports stand as `127.0.0.1:0:6379/tcp`, or with Compose v2 as a mapping.
    expect(text).not.toContain("0.0.0.0:");
    expect(text).toContain("127.0.0.1");
    expect(text.match(/_API_KEY: (?!simulated|''|"")\S+/)).toBeNull();
  });

  test("gives a worker more time to stop than its drain takes", async () => {
    const text = await readFile(join(import.meta.dirname, "..", "..", "docker-compose.yml"), "utf8");
    const secondsOf = (name: string): number[] =>
      [...text.matchAll(new RegExp(`\\{${name}:-(\\d+)s?\\}`, "g"))].map(([, seconds]) => Number(seconds));
    const drains = secondsOf("BATON_DRAIN");
    const [grace] = secondsOf("BATON_STOP_GRACE");
    expect(drains.length).toBeGreaterThan(1);
    // Behind the drain come the hand-back and the end of tool servers.
    expect(grace).toBeGreaterThanOrEqual(Math.max(...drains) + 15);
  });

  test("comes up healthy with three workers of one provider, and runs pass through both pools", async () => {
    await project.compose("up", "--detach", "--no-build", "--scale", "worker-anthropic=3");
    expect(servicesOf(await allHealthy())).toEqual([
      "api",
      "redis",
      "worker-anthropic",
      "worker-anthropic",
      "worker-anthropic",
      "worker-openai",
    ]);
    await using connection = await connect();
    const ids = await submitResearch(connection.producer, RUNS, "compose");
    expect(statusesOf(await ended(connection.producer, ids, 90_000))).toEqual({ succeeded: RUNS });
    expect(await purchasesOf(host.models, connection.producer, ids)).toMatchObject({ boughtAgain: 0 });
  });

  test("the API is up before there is a key, and lets in whoever has the first one", async () => {
    expect(await callApi(project, "/healthz")).toMatchObject({ status: 200 });
    expect((await callApi(project, "/v1/runs")).json()).toMatchObject({ error: { code: "unauthorized" } });
    const made = await project.compose("exec", "-T", "api", "baton", "keys", "create", "test", "--json");
    key = JSON.parse(made).key;
    expect(await callApi(project, "/v1/runs", { key })).toMatchObject({ status: 200 });
    expect((await callApi(project, "/metrics", { key })).text).toMatch(
      /^baton_api_requests_total\{.*route="\/v1\/runs",status="4xx"\} 1$/m,
    );
  });

  test("a run that came over HTTP ends while the API is killed, which is back by itself and finds it by its key", async () => {
    const body = {
      input: "Research tidal power, volume one, then write an essay about it",
      model: ["openai/gpt-5.2", "anthropic/claude-opus-4-5"],
      mcp_servers: ["demo/documents"],
    };
    const call = { key, headers: { "idempotency-key": "one" }, body };
    const submitted = await callApi(project, "/v1/runs", call);
    expect(submitted).toMatchObject({ status: 202 });
    const { id } = submitted.json();
    const path = `/v1/runs/${id}`;
    await until(async () => (await callApi(project, path, { key })).json().status === "running", {
      what: "the run at work",
    });
    const api = (await project.containers()).find(({ service }) => service === "api");
    await crash(api?.id ?? "");
    await until(
      async () =>
        (await project.containers()).some(({ id: is, restarts }) => is === api?.id && restarts === 1),
      { what: "the API started again", withinMs: 30_000 },
    );
    await allHealthy();
    const again = (await callApi(project, "/v1/runs?wait=60", call)).json();
    expect(again).toMatchObject({
      ...{ id, created: false, status: "succeeded" },
      models_used: body.model,
    });
    await using connection = await connect();
    expect(await purchasesOf(host.models, connection.producer, [again.id])).toMatchObject({ boughtAgain: 0 });
  });

  test("a batch comes in over HTTP, though the API's root cannot be written to", async () => {
    const body = ["a", "b"]
      .map((name) => JSON.stringify({ custom_id: name, body: { input: `Research ${name}` } }))
      .join("\n");
    const headers = { "content-type": "application/x-ndjson" };
    const { status } = await callApi(project, "/v1/batches?id=two&model=openai/gpt-5.2", {
      ...{ key, headers, body },
    });
    expect(status).toBe(202);
    const results = await callApi(project, "/v1/batches/two/results?order=finished&follow=true", { key });
    const lines = results.text.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).status)).toEqual(["succeeded", "succeeded"]);
    expect(await project.compose("exec", "-T", "api", "ls", "/data/uploads")).toBe("");
    await expect(project.compose("exec", "-T", "api", "touch", "/app/here")).rejects.toThrow(/Read-only/);
  });

  test("the command line is in each worker's container, whose root cannot be written to", async () => {
    const said = await project.compose("exec", "-T", "worker-openai", "baton", "runs", "ls", "--json");
    expect(said).toContain('"succeeded"');
    await expect(project.compose("exec", "-T", "worker-openai", "touch", "/app/config/here")).rejects.toThrow(
      /Read-only file system/,
    );
  });

  test("a rolling restart in the middle of runs loses none, and takes none over", async () => {
    await using connection = await connect();
    const ids = await submitResearch(connection.producer, RUNS, "restart");
    await until(
      async () => (await readRuns(connection.producer, ids)).some(({ status }) => status === "running"),
      {
        what: "runs at work",
      },
    );
    const started = performance.now();
    await project.compose("restart", "--timeout", String(project.graceSeconds), "worker-openai");
    // As long as that would be the SIGKILL at the end of the grace period.
    expect(performance.now() - started).toBeLessThan(project.graceSeconds * 1_000);
    const runs = await ended(connection.producer, ids, 90_000);
    expect(statusesOf(runs)).toEqual({ succeeded: RUNS });
    expect(runs.map(({ takeovers }) => takeovers)).toEqual(runs.map(() => 0));
  });

  test("stopped in the middle of runs, all end within the grace period; down and up again, the runs go on", async () => {
    const before = await connect();
    const ids = await submitResearch(before.producer, RUNS, "stopped");
    await until(
      async () => (await readRuns(before.producer, ids)).some(({ status }) => status === "running"),
      {
        what: "runs at work",
      },
    );
    await before[Symbol.asyncDispose]();
    await project.compose("stop");
    // 137 would be the SIGKILL at the end of the grace period.
    const stopped = await project.containers();
    expect(stopped.map(({ exitCode, state }) => ({ exitCode, state }))).toEqual(
      stopped.map(() => ({ exitCode: 0, state: "exited" })),
    );
    await project.compose("down");
    await project.compose("up", "--detach", "--no-build");
    await allHealthy();
    await using after = await connect();
    const runs = await ended(after.producer, ids, 90_000);
    expect(statusesOf(runs)).toEqual({ succeeded: RUNS });
    expect(await purchasesOf(host.models, after.producer, ids)).toMatchObject({ boughtAgain: 0, unknown: 0 });
  });

  test("the demo's worker comes up with simulated models of its own, and no key", async () => {
    await project.compose("down", "--volumes");
    await project.compose("up", "--detach", "--no-build", "worker-demo");
    expect(servicesOf(await allHealthy())).toEqual(["models", "redis", "worker-demo"]);
    const input = "Research tidal power, then write an essay about it";
    const said = await project.compose(
      ...["exec", "-T", "worker-demo", "baton", "run", input, "--json"],
      ...["-m", "openai/gpt-5.2", "-m", "anthropic/claude-opus-4-5", "--mcp", "demo/documents"],
    );
    expect(JSON.parse(said)).toMatchObject({
      status: "succeeded",
      models_used: ["openai/gpt-5.2", "anthropic/claude-opus-4-5"],
    });
  });

  test("down -v leaves no container, network or volume", async () => {
    await project.compose("down", "--volumes");
    expect(await project.containers()).toEqual([]);
    const label = `label=com.docker.compose.project=${project.name}`;
    expect(await command("docker", ["volume", "ls", "--quiet", "--filter", label])).toBe("");
    expect(await command("docker", ["network", "ls", "--quiet", "--filter", label])).toBe("");
  });
});
