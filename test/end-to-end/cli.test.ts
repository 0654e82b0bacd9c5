import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CliRig, openCli } from "../support/cli.ts";
import { useRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

const redis = useRedis();
let cli: CliRig;
beforeAll(async () => {
  cli = await openCli(redis.url);
  await writeFile(join(cli.folder, "bad.json"), "{bad");
});
afterAll(async () => cli[Symbol.asyncDispose]());

const BOTH = ["-m", "openai/gpt-5.2", "-m", "anthropic/claude-opus-4-5"];
const TASK = [
  "run",
  "Research tidal power, then write a short essay about it",
  ...BOTH,
  "--mcp",
  "documents",
];

describe("wrong input gets one clear line and its exit code", () => {
  test.each<
    [what: string, args: string[], env: Record<string, string | undefined>, code: number, says: RegExp]
  >([
    [
      "an unknown provider",
      ["run", "hi", "-m", "foo/bar"],
      {},
      2,
      /no provider foo .*Known: .*openai.*providers:/,
    ],
    ["a model id without provider", ["run", "hi", "-m", "gpt"], {}, 2, /model id is provider\/model/],
    ["no model", ["run", "hi"], {}, 2, /give either model .* or phases/],
    ["an empty model list", ["run", "hi", "--spec", "empty.json"], {}, 2, /the model list is empty/],
    ["an empty input", ["run", "", "-m", "openai/x"], {}, 2, /input is empty/],
    ["bad JSON", ["run", "--spec", "bad.json"], {}, 2, /bad\.json cannot be read: .*JSON/],
    ["a spec that is not there", ["run", "--spec", "nowhere.json"], {}, 2, /nowhere\.json cannot be read/],
    [
      "a missing key",
      ["run", "hi", "-m", "openai/x"],
      { OPENAI_API_KEY: undefined },
      2,
      /set OPENAI_API_KEY$/,
    ],
    [
      "a missing key of an MCP server",
      ["run", "hi", "-m", "openai/x", "--mcp", "tsion/brave-search-mcp"],
      { BRAVE_API_KEY: undefined },
      2,
      /tsion\/brave-search-mcp needs a key: set BRAVE_API_KEY/,
    ],
    ["an unknown MCP server", ["run", "hi", "-m", "openai/x", "--mcp", "nope"], {}, 2, /nope .*mcpServers/],
    ["an unknown tool", ["run", "hi", "-m", "openai/x", "--tool", "nope"], {}, 2, /nope .*under tools/],
    ["an unknown policy", ["run", "hi", "-m", "openai/x", "--policy", "nope"], {}, 2, /no policy nope/],
    [
      "an unreachable Redis",
      ["run", "hi", "-m", "openai/x"],
      { BATON_REDIS_URL: "redis://127.0.0.1:1" },
      3,
      /no Redis answers at redis:\/\/127\.0\.0\.1:1.*BATON_REDIS_URL/,
    ],
    [
      "a configuration that is not there",
      ["runs", "ls"],
      { BATON_CONFIG: "nope.json" },
      2,
      /nope\.json.*not exist/,
    ],
    ["a run id that is none", ["runs", "show", "xyz"], {}, 2, /xyz is no run id/],
    [
      "a run that is not there",
      ["runs", "show", "r_0_00000000000000000000000000"],
      {},
      2,
      /there is no run r_0_0/,
    ],
    ["a status that is none", ["runs", "ls", "--status", "nope"], {}, 2, /no status nope: use queued/],
  ])("%s", async (_what, args, env, code, says) => {
    await writeFile(join(cli.folder, "empty.json"), JSON.stringify({ model: [] }));
    const result = await cli.run(args, env);
    expect(result.stdout).toBe("");
    expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(result.stderr.trimEnd()).toMatch(says);
    expect(result.code).toBe(code);
  });

  test("a wrong flag says so, and where the flags are told", async () => {
    const result = await cli.run(["run", "hi", "-m", "openai/x", "--max-turns", "zero"]);
    expect(result).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--max-turns.*zero.*whole number/),
    });
    expect(await cli.run(["nosuch"])).toMatchObject({ code: 2, stderr: expect.stringMatching(/nosuch/) });
  });
});

test("piped, a run prints its final text alone", async () => {
  const result = await cli.run(TASK);
  expect(result.stderr).toBe("");
  expect(result.code).toBe(0);
  expect(result.stdout).toMatch(/tidal/i);
  expect(result.stdout).toMatch(/Written by a simulated model in the place of claude-opus-4-5/);
});

test("--json gives the result, and runs show and ls find the run again", async () => {
  const result = await cli.run([...TASK, "--json"]);
  const told: { id: string } = JSON.parse(result.stdout);
  expect(told).toMatchObject({
    status: "succeeded",
    models_used: ["openai/gpt-5.2", "anthropic/claude-opus-4-5"],
    tools_called: ["search_documents", "read_document"],
  });
  const shown = await cli.run(["runs", "show", told.id]);
  expect(shown.stdout).toMatch(/succeeded/);
  expect(shown.stdout).toMatch(/openai\/gpt-5\.2 \[simulated\]/);
  expect((await cli.run(["runs", "ls", "--status", "succeeded"])).stdout).toContain(told.id);
});

test("a run whose provider cannot be reached exits with 1 and says why", async () => {
  const path = join(cli.folder, "other.json");
  const providers = { broken: { api: "openai-chat", baseURL: "http://127.0.0.1:1/v1" } };
  await writeFile(path, JSON.stringify({ providers, limits: { modelAttemptsMax: 1 } }));
  const result = await cli.run(["run", "hi", "-m", "broken/x"], { BATON_CONFIG: path });
  expect(result).toMatchObject({ code: 1, stdout: "" });
  expect(result.stderr).toMatch(/^baton: run r_0_\w+ failed: broken could not be reached/);
});

test("a detached run waits for a worker, says so, and goes on when one comes", async () => {
  const detached = await cli.run([...TASK, "--detach"]);
  const id = detached.stdout.trim();
  expect((await cli.run(["runs", "show", id])).stdout).toMatch(/no live worker serves openai\/gpt-5\.2/);
  await using worker = await cli.start(["worker", "-m", "openai/*", "-m", "anthropic/*", "--json"]);
  expect(JSON.parse((await worker.line(/^\{.*\}$/, 20_000))[0])).toMatchObject({
    ready: true,
    pools: ["openai/*", "anthropic/*"],
  });
  const watched = await cli.run(["runs", "watch", id, "--json"]);
  expect(JSON.parse(watched.stdout)).toMatchObject({ id, status: "succeeded" });
  worker.signal("SIGTERM");
  expect(await worker.end(20_000)).toEqual({ code: 0, signal: null });
});

test("a run survives Ctrl-C and runs watch picks it up, with a Redis of its own", async () => {
  await using own = await openCli(undefined, true);
  const model = { before: own.simulated.requestCount() };
  await using child = await own.start(TASK);
  await until(() => own.simulated.requestCount() > model.before, {
    what: "the first model call",
    withinMs: 30_000,
  });
  child.signal("SIGINT");
  expect(await child.end(20_000)).toEqual({ code: 0, signal: null });
  const id = /baton runs watch (r_\w+)/.exec(child.stderr)?.[1] ?? "";
  expect(await own.run(["runs", "show", id, "--json"])).toMatchObject({
    stdout: expect.stringContaining('"status":"queued"'),
  });
  const watched = await own.run(["runs", "watch", id, "--json"]);
  expect(JSON.parse(watched.stdout)).toMatchObject({ id, status: "succeeded" });
});

test("cancel ends a run at once, and retry puts it back to work", async () => {
  const { stdout } = await cli.run([...TASK, "--detach"]);
  const id = stdout.trim();
  expect(await cli.run(["runs", "cancel", id])).toMatchObject({ code: 0, stdout: `${id} cancelled\n` });
  expect(await cli.run(["runs", "cancel", id])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/is cancelled/),
  });
  expect(await cli.run(["runs", "retry", id])).toMatchObject({ code: 0, stdout: `${id} retried\n` });
  expect(JSON.parse((await cli.run(["runs", "watch", id, "--json"])).stdout)).toMatchObject({
    status: "succeeded",
  });
});
