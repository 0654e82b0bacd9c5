/** Who may work through an API from the command line, with what, and what is said when that is not possible. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { ApiProcess } from "../support/api-process.ts";
import { type CliRig, openCli } from "../support/cli.ts";
import { freshRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

const GPT = "openai/gpt-5.2";
const MAIN = join(import.meta.dirname, "../../apps/cli/src/main.ts");

let api: ApiProcess;
let cli: CliRig;
let remote: Readonly<Record<string, string | undefined>>;
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  const redis = stack.use(await freshRedis());
  api = stack.use(await ApiProcess.start(redis.url));
  cli = stack.use(await openCli(redis.url));
  remote = { BATON_SERVER: api.url, BATON_REDIS_URL: "redis://127.0.0.1:1" };
});
afterAll(() => stack.disposeAsync());

describe("a command that works on Redis itself is refused in one line", () => {
  test.each<[args: string[], says: RegExp]>([
    [["up", "--port", "0"], /baton up starts Redis and workers here: it does not work through a server/],
    [["api", "--port", "0"], /baton api is the API, on Redis itself/],
    [["worker", "-m", "openai/*"], /baton worker takes work from Redis itself/],
    [["keys", "ls"], /baton keys makes the keys of the API/],
    [["doctor"], /baton doctor looks at Redis/],
    [["demo"], /baton demo brings all that it needs/],
  ])("%s", async (args, says) => {
    const byFlag = await cli.run([...args, "--server", api.url]);
    expect(byFlag).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(says) });
    expect(byFlag.stderr).toMatch(/\(leave out --server\)\n$/);
    const byEnvironment = await cli.run(args, remote);
    expect(byEnvironment).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(says) });
    expect(byEnvironment.stderr).toMatch(/\(BATON_SERVER is set: unset it\)\n$/);
  });
});

test.each<[server: string, code: number, says: RegExp]>([
  [
    "http://127.0.0.1:2",
    3,
    /^baton: no Baton API answers at http:\/\/127\.0\.0\.1:2 \(ECONNREFUSED\): .*--server/,
  ],
  ["nowhere", 2, /^baton: the server is no http or https URL/],
  ["", 2, /^baton: --server names no server/],
])("the server %s is told in one line", async (server, code, says) => {
  const result = await cli.run(["runs", "ls", "--server", server], remote);
  expect(result).toMatchObject({ code, stdout: "" });
  expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(result.stderr).toMatch(says);
});

test("a run that nobody serves is told so, serves no model here, and can be let go of", async () => {
  const args = ["run", "hi", "-m", GPT, "-m", "anthropic/claude", "--fallback", "xai/grok"];
  const detached = await cli.run([...args, "--detach"], remote);
  expect(detached).toMatchObject({ code: 0, stdout: expect.stringMatching(/^r_0_\w+\n$/) });
  expect(detached.stderr).toBe(
    `baton: no live worker of the server serves ${GPT}, anthropic/claude, xai/grok: the run waits where it needs one\n`,
  );
  await using child = await cli.start(args, remote);
  await until(() => child.stderr.includes("no live worker of the server"), {
    what: "the word on it",
    withinMs: 30_000,
  });
  child.signal("SIGINT");
  expect(await child.end(20_000)).toEqual({ code: 0, signal: null });
  expect(child.stderr).toMatch(/The run goes on without you: baton runs watch r_0_/);
  expect(cli.simulated.requestCount()).toBe(0);
}, 60_000);

test("an MCP server on standard input and output works through the API, too", async () => {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [MAIN, "mcp", "--server", api.url],
    cwd: cli.folder,
    env: { PATH: process.env.PATH ?? "", BATON_REDIS_URL: "redis://127.0.0.1:1" },
  });
  const client = new Client({ name: "a test", version: "1" });
  await client.connect(transport);
  try {
    const submitted = await client.callTool({
      name: "submit_run",
      arguments: { input: "hi from afar", model: GPT },
    });
    expect(submitted.isError ?? false).toBe(false);
    const id = /r_0_[0-9A-Z]{26}/.exec(JSON.stringify(submitted.content))?.[0] ?? "";
    expect((await cli.run(["runs", "show", id])).stdout).toContain("user: hi from afar");
    const missing = { name: "get_run", arguments: { run_id: `r_0_${"0".repeat(26)}` } };
    const refused = await client.callTool(missing);
    expect(refused.isError).toBe(true);
    expect(JSON.stringify(refused.content)).toContain("there is no run r_0_0000");
  } finally {
    await client.close();
  }
}, 60_000);

describe("as soon as there are keys", () => {
  const created = z.object({ key: z.string(), id: z.string() });
  const keys = { own: "", looks: "", submits: "", steers: "" };
  beforeAll(async () => {
    const make = async (...args: readonly string[]) =>
      created.parse(JSON.parse((await cli.run(["keys", "create", ...args, "--json"])).stdout)).key;
    keys.own = await make("own", "--namespace", "acme");
    keys.looks = await make("looks", "--namespace", "acme", "--scope", "read");
    keys.submits = await make("submits", "--namespace", "acme", "--scope", "submit");
    keys.steers = await make("steers", "--scope", "operate");
  });
  const as = (key: string | undefined) => ({ ...remote, BATON_API_KEY: key });

  test("one is asked for, and none is ever said", async () => {
    await until(async () => (await cli.run(["runs", "ls"], as(undefined))).code === 2, {
      what: "the API to ask for a key",
      withinMs: 30_000,
    });
    const without = await cli.run(["runs", "ls"], as(undefined));
    const asked = /^baton: send an API key.*\(here it is given by BATON_API_KEY\)$/m;
    expect(without).toMatchObject({ code: 2, stderr: expect.stringMatching(asked) });
    const wrong = await cli.run(["runs", "ls"], as("bk_s3cret"));
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/this is no API key/) });
    expect(wrong.stderr).not.toContain("s3cret");
    expect(await cli.run(["runs", "ls"], as(keys.own))).toMatchObject({ code: 0, stderr: "no runs\n" });
  }, 60_000);

  test("one that only submits is told before it submits what it may not watch, and hears the id otherwise", async () => {
    const args = ["run", "hi", "-m", GPT];
    const followed = await cli.run(args, as(keys.submits));
    expect(followed).toMatchObject({ code: 2, stdout: "" });
    expect(followed.stderr).toContain(
      "lacks the scope read: it has submit. `baton keys create NAME --scope submit,read` makes one that has them; with --detach",
    );
    expect(await cli.run(["runs", "ls"], as(keys.own))).toMatchObject({ code: 0, stderr: "no runs\n" });
    const detached = await cli.run([...args, "--detach"], as(keys.submits));
    expect(detached).toMatchObject({ code: 0, stdout: expect.stringMatching(/^r_0_\w+\n$/), stderr: "" });
    expect((await cli.run(["runs", "cancel", detached.stdout.trim()], as(keys.submits))).code).toBe(0);
  }, 60_000);

  test("batches and runs are those of its namespace, and a key that only looks needs no more for it", async () => {
    const line = { custom_id: "a", body: { input: "hi", model: GPT } };
    await writeFile(join(cli.folder, "own.jsonl"), `${JSON.stringify(line)}\n`);
    const submitted = await cli.run(["batch", "submit", "own.jsonl", "--id", "mine"], as(keys.own));
    expect(submitted).toMatchObject({ code: 0, stdout: "mine\n" });
    expect((await cli.run(["batch", "ls", "--json"])).stdout).toContain('"id":"acme/mine"');
    const status = await cli.run(["batch", "status", "mine"], as(keys.looks));
    expect(status).toMatchObject({ code: 0, stdout: expect.stringMatching(/^batch +mine\n/) });
    expect(status.stderr).toContain(`no live worker serves ${GPT}`);
    const listed = await cli.run(["runs", "ls", "--batch", "mine"], as(keys.looks));
    expect(listed.stdout.trim().split("\n")).toHaveLength(2);
    const bounded = await cli.run(["batch", "budget", "mine", "--usd", "3"], as(keys.submits));
    expect(bounded).toEqual({ code: 0, stdout: "mine: 3 USD at most\n", stderr: "" });
    expect((await cli.run(["batch", "budget", "mine"], as(keys.submits))).code).toBe(2);
    expect((await cli.run(["batch", "budget", "mine"], as(keys.looks))).stdout).toMatch(/^cost .* of 3$/m);
    const refused = await cli.run(["batch", "cancel", "mine"], as(keys.looks));
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/lacks the scope submit/) });
    const cancelled = await cli.run(["batch", "cancel", "mine"], as(keys.own));
    expect(cancelled).toMatchObject({ code: 0, stdout: "1 run cancelled\n" });
  }, 60_000);

  test("one that steers pools needs no other scope for it, and looks at none", async () => {
    const steer = async (...args: readonly string[]) => await cli.run(["pools", ...args], as(keys.steers));
    const said = (stdout: string) => ({ code: 0, stdout, stderr: "" });
    expect(await steer("set", GPT, "--max-active", "3", "--rpm", "none")).toEqual(
      said(`${GPT}  max active 3, rpm none\n`),
    );
    expect(await steer("pause", GPT)).toEqual(said(`${GPT} paused\n`));
    expect(await cli.run(["pools", "ls"])).toMatchObject({
      stdout: expect.stringMatching(/paused; max active 3$/m),
    });
    expect(await steer("resume", GPT, "--json")).toEqual(said(`{"pool":"${GPT}","did":"resumed"}\n`));
    for (const looking of [["set", GPT], ["resume", "openai/*"], ["ls"]]) {
      expect(await steer(...looking)).toMatchObject({
        code: 2,
        stdout: "",
        stderr: expect.stringMatching(/lacks the scope read/),
      });
    }
  }, 60_000);
});
