/** What people do to runs from the command line: approve, give more budget, fork, retry many, pause pools. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunResult } from "@baton/core";
import { DOCUMENT_SERVER_PATH, DOCUMENTS_PATH } from "@baton/demo";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type CliRig, openCli } from "../support/cli.ts";
import type { ScriptProcess } from "../support/processes.ts";
import { useRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

const TASK = [
  ...["run", "Research tidal power, then write a short essay about it", "--mcp", "documents", "--detach"],
  ...["-m", "openai/gpt-5.2", "-m", "anthropic/claude-opus-4-5"],
];
const SERVE = ["worker", "-m", "openai/*", "-m", "anthropic/*", "-m", "broken/*", "--json"];

const redis = useRedis();
let cli: CliRig;
let env: { readonly BATON_CONFIG: string };
beforeAll(async () => {
  cli = await openCli(redis.url);
  env = { BATON_CONFIG: await configure() };
});
afterAll(() => cli[Symbol.asyncDispose]());

/** The simulated models; searching asks for approval under the name `asking`, and `broken` never answers. */
async function configure(): Promise<string> {
  const { default: config } = await import(join(cli.folder, "baton.config.json"), { with: { type: "json" } });
  const documents = { command: process.execPath, args: [DOCUMENT_SERVER_PATH, DOCUMENTS_PATH] };
  const path = join(cli.folder, "steering.json");
  const own = {
    ...config,
    providers: { ...config.providers, broken: { api: "openai-chat", baseURL: "http://127.0.0.1:1/v1" } },
    mcpServers: { documents, asking: { ...documents, tools: { search_documents: { approval: true } } } },
    limits: { modelAttemptsMax: 1 },
    models: { "openai/gpt-5.2": { price: { input: 1_000, output: 1_000 } } },
  };
  await writeFile(path, JSON.stringify(own));
  return path;
}

const submit = async (args: readonly string[]): Promise<string> => (await cli.run(args, env)).stdout.trim();
const ok = async (args: readonly string[]) => {
  const result = await cli.run(args, env);
  expect({ args, ...result }).toMatchObject({ code: 0 });
  return result;
};
const shown = async (id: string): Promise<RunResult> =>
  JSON.parse((await cli.run(["runs", "show", id, "--json"], env)).stdout);
const came = (id: string, to: (result: RunResult) => boolean, what: string) =>
  until(
    async () => {
      const result = await shown(id);
      return to(result) && result;
    },
    { what: `${id} to be ${what}`, withinMs: 40_000 },
  );
const waits = (id: string, reason: string) =>
  came(id, (result) => result.waits_for?.reason === reason, `waiting for ${reason}`);
const succeeded = (id: string) => came(id, ({ status }) => status === "succeeded", "succeeded");

describe("with a worker", () => {
  let worker: ScriptProcess;
  beforeEach(async () => {
    worker = await cli.start(SERVE, env);
    await worker.line(/^\{"ready":true/, 20_000);
    return async () => {
      worker.signal("SIGTERM");
      await worker.end(20_000);
      await worker[Symbol.asyncDispose]();
    };
  });

  test("a tool that asks for approval makes its run wait, over a restart, until it is approved or rejected", async () => {
    const task = TASK.map((word) => (word === "documents" ? "asking" : word));
    const [approved, rejected] = [await submit(task), await submit([...task, "--max-turns", "20"])];
    await waits(approved, "approval");
    await waits(rejected, "approval");
    worker.signal("SIGKILL");
    await worker.end(20_000);
    worker = await cli.start(SERVE, env);
    await worker.line(/^\{"ready":true/, 20_000);

    expect((await ok(["runs", "show", approved])).stdout).toContain(`baton runs approve ${approved}`);
    await ok(["runs", "reject", rejected, "--why", "no searching today"]);
    await ok(["runs", "approve", approved]);
    await until(
      async () => {
        // The model may search more than once: each call is asked for.
        if ((await shown(approved)).waits_for !== undefined)
          await cli.run(["runs", "approve", approved], env);
        return (await shown(approved)).status === "succeeded";
      },
      { what: "the approved run to end", withinMs: 40_000 },
    );
    const told = await until(
      async () => {
        if ((await shown(rejected)).waits_for !== undefined)
          await cli.run(["runs", "reject", "--reason", "approval"], env);
        return (await cli.run(["runs", "show", rejected], env)).stdout.includes("no searching today");
      },
      { what: "the rejection in the conversation", withinMs: 40_000 },
    );
    expect(told).toBe(true);
  }, 120_000);

  test("a run waits at its budget, and goes on with more", async () => {
    const [tokens, usd] = [
      await submit([...TASK, "--budget-tokens", "10"]),
      await submit([...TASK, "--budget-usd", "0.001"]),
    ];
    const stopped = await waits(tokens, "budget");
    expect(stopped.usage.total_tokens).toBeGreaterThanOrEqual(10);
    expect(stopped.phases[0]?.turns).toBe(1);
    expect((await waits(usd, "budget")).waits_for?.detail).toMatch(/USD: resume it with a larger budget/);
    await ok(["runs", "resume", tokens, "--budget-tokens", "10000000"]);
    await ok(["runs", "resume", "--reason", "budget", "--budget-usd", "1000"]);
    expect((await succeeded(tokens)).models_used).toEqual(["openai/gpt-5.2", "anthropic/claude-opus-4-5"]);
    expect((await succeeded(usd)).cost_usd).toBeGreaterThan(0.001);
  }, 120_000);

  test("failed runs of a batch are retried together, on another model", async () => {
    const broken = (name: string) =>
      submit(["run", `hi ${name}`, "-m", "broken/x", "--detach", "--batch", "nightly", "--custom-id", name]);
    const ids = [await broken("a"), await broken("b")];
    expect(await broken("a")).toBe(ids[0]);
    for (const id of ids) await came(id, ({ status }) => status === "failed", "failed");
    const retried = await ok(["runs", "retry", "--failed", "--batch", "nightly", "-m", "openai/gpt-5.2"]);
    expect(retried.stdout.trim().split("\n").sort()).toEqual(ids.map((id) => `${id} retried`).sort());
    for (const id of ids) await succeeded(id);
    expect(JSON.parse((await ok(["batch", "status", "nightly", "--json"])).stdout)).toMatchObject({
      runs: { succeeded: 2 },
      unpriced_replies: 0,
    });
  }, 120_000);

  test("a run is forked at a turn, with another word, and the first one stays as it is", async () => {
    const id = await submit(TASK);
    await succeeded(id);
    const before = (await ok(["runs", "show", id])).stdout;
    const at = /^\[(\d+)\] anthropic\/claude-opus-4-5: /m.exec(before)?.[1] ?? "";
    const forked = await submit(["runs", "fork", id, "--at", at, "--input", "Shorter, please."]);
    await succeeded(forked);
    const told = (await ok(["runs", "show", forked])).stdout;
    expect(told).toContain(`forked   from ${id}`);
    expect(told).toContain("user: Shorter, please.");
    expect((await ok(["runs", "show", id])).stdout).toBe(before);
    expect(await cli.run(["runs", "fork", id], env)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/is a finished answer: give an input/),
    });
  }, 120_000);

  test("a paused pool starts nothing, says so, and goes on when it is resumed", async () => {
    await ok(["pools", "pause", "openai/gpt-5.2"]);
    const id = await submit(TASK);
    expect((await ok(["runs", "show", id])).stdout).toContain("the pool openai/gpt-5.2 is paused");
    expect((await ok(["pools", "ls"])).stdout).toMatch(
      /openai\/gpt-5\.2 \[simulated\] +1 +0 +[\d.]+ s +0 +1 +50 +\d+ +- +paused/,
    );
    expect((await shown(id)).status).toBe("queued");
    await ok(["pools", "resume", "openai/gpt-5.2"]);
    await succeeded(id);
  }, 120_000);
});

test("a run in this process is served by its fallback too", async () => {
  const result = await cli.run(
    ["run", "hi", "-m", "broken/x", "--fallback", "openai/gpt-5.2", "--json"],
    env,
  );
  expect(JSON.parse(result.stdout)).toMatchObject({ status: "succeeded", models_used: ["openai/gpt-5.2"] });
});

test("a run that waits while nobody looks at a screen says so", async () => {
  await using child = await cli.start(["run", "hi", "-m", "broken/x", "--budget-usd", "1"], env);
  await until(() => child.stderr.includes("waits (budget)"), {
    what: "a word on the wait",
    withinMs: 20_000,
  });
  expect(child.stderr).toMatch(/the price of broken\/x is not known.*baton runs show r_0_/s);
  child.signal("SIGINT");
  expect(await child.end(20_000)).toMatchObject({ code: 0 });
});

test("of several runs, one that cannot be cancelled keeps no other from its turn", async () => {
  const [over, open] = [await submit(TASK), await submit(TASK)];
  await ok(["runs", "cancel", over]);
  const result = await cli.run(["runs", "cancel", over, open], env);
  expect(result).toMatchObject({
    ...{ code: 1, stdout: `${open} cancelled\n` },
    stderr: expect.stringContaining(`run ${over} is cancelled and cannot be cancelled now`),
  });
  expect((await shown(open)).status).toBe("cancelled");
});

test.each<[what: string, args: string[], says: RegExp]>([
  ["no run and no filter", ["runs", "retry"], /name the runs, or tell which are meant/],
  [
    "runs and a filter",
    ["runs", "cancel", `r_0_${"0".repeat(26)}`, "--batch", "b"],
    /name the runs, or tell/,
  ],
  ["a filter without a status", ["runs", "cancel", "--batch", "b"], /tell which status is meant/],
  ["a status that is none", ["runs", "cancel", "--status", "nope"], /there is no status nope/],
  ["a reason that is none", ["runs", "resume", "--reason", "nope"], /a run waits for approval, client_tools/],
  [
    "a batch without a name in it",
    ["run", "hi", "-m", "openai/x", "--batch", "b"],
    /--batch and --custom-id/,
  ],
  [
    "a reason of what does not wait",
    ["runs", "cancel", "--status", "queued", "--reason", "budget"],
    /only waiting/,
  ],
  ["a pool that is none", ["pools", "pause", "gpt"], /gpt: a model id is provider\/model/],
  ["pools that are none", ["pools", "pause", "nobody/*"], /there is no pool like nobody/],
  ["a batch id that is none", ["batch", "budget", "a b", "--tokens", "1"], /a batch's id has/],
])("%s is refused with a sentence", async (_what, args, says) => {
  const result = await cli.run(args, env);
  expect(result).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(says) });
});
