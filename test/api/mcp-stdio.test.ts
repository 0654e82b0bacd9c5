/** `baton mcp` as an assistant's program starts it: a process that speaks the protocol on standard input and output. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { Progress } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { type CliRig, openCli } from "../support/cli.ts";
import { useRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

const MAIN = fileURLToPath(new URL("../../apps/cli/src/main.ts", import.meta.url));
const redis = useRedis();
let cli: CliRig;
beforeAll(async () => {
  cli = await openCli(redis.url);
});
afterAll(async () => cli[Symbol.asyncDispose]());

const runSchema = z.object({ id: z.string(), status: z.string() });
const task = { input: "Say hello.", model: "openai/gpt-5.2" };

async function open() {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [MAIN, "mcp"],
    cwd: cli.folder,
    env: { PATH: process.env.PATH ?? "", BATON_REDIS_URL: redis.url },
    stderr: "ignore",
  });
  const client = new Client({ name: "test", version: "1" });
  const errors: Error[] = [];
  client.onerror = (error) => errors.push(error);
  await client.connect(transport);
  return {
    client,
    /** What came on standard output and was not the protocol's. */
    errors,
    [Symbol.asyncDispose]: () => client.close(),
  };
}

test("an assistant's program submits a run and waits for it, with its progress, while a worker serves it", async () => {
  await using baton = await open();
  const { client } = baton;
  const submitted = await client.callTool({ name: "submit_run", arguments: task });
  const { id } = runSchema.parse(submitted.structuredContent);
  expect(JSON.stringify(submitted.content)).toContain("no live worker serves openai/gpt-5.2");
  const told: Progress[] = [];
  const waiting = client.callTool({ name: "wait_run", arguments: { run_id: id } }, undefined, {
    onprogress: (progress) => told.push(progress),
  });
  await until(() => told.some(({ message }) => message?.includes("queued")), { what: "progress" });
  await using worker = await cli.start(["worker", "-m", "openai/*", "--json"]);
  await until(() => worker.stdout.includes("ready"), { what: "the worker" });
  const { structuredContent } = await waiting;
  expect(structuredContent).toMatchObject({ id, status: "succeeded", models_used: ["openai/gpt-5.2"] });
  expect(z.object({ final_output: z.string().min(1) }).safeParse(structuredContent).success).toBe(true);
  expect(baton.errors).toEqual([]);
});

test("a wait that is cancelled leaves the connection and the run as they were", async () => {
  await using baton = await open();
  const { client } = baton;
  const submitted = await client.callTool({ name: "submit_run", arguments: { ...task, model: "xai/grok" } });
  const { id } = runSchema.parse(submitted.structuredContent);
  const cancel = new AbortController();
  const told: Progress[] = [];
  const waiting = client.callTool({ name: "wait_run", arguments: { run_id: id, seconds: 300 } }, undefined, {
    signal: cancel.signal,
    onprogress: (progress) => told.push(progress),
  });
  await until(() => told.length > 0, { what: "progress" });
  cancel.abort("enough");
  await expect(waiting).rejects.toThrow("enough");
  const { structuredContent } = await client.callTool({ name: "get_run", arguments: { run_id: id } });
  expect(structuredContent).toMatchObject({ id, status: "queued" });
});

test("it ends by itself when the program that started it goes away, also in the middle of a wait", async () => {
  const { runId } = await submitElsewhere();
  const child = spawn(process.execPath, [MAIN, "mcp", "--read-only"], {
    cwd: cli.folder,
    env: { PATH: process.env.PATH ?? "", BATON_REDIS_URL: redis.url },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = once(child, "exit");
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const say = (message: object): void =>
    void child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  const clientInfo = { name: "test", version: "1" };
  say({
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo },
  });
  say({ method: "notifications/initialized" });
  say({ id: 2, method: "tools/list" });
  const args = { name: "wait_run", arguments: { run_id: runId, seconds: 300 } };
  say({ id: 3, method: "tools/call", params: { ...args, _meta: { progressToken: 1 } } });
  await until(() => stdout.includes("notifications/progress"), { what: "the wait" });
  child.stdin.end();
  expect(await exited).toEqual([0, null]);
  expect(stderr).toBe("");
  const messages = stdout.trim().split("\n");
  for (const message of messages) expect(JSON.parse(message)).toMatchObject({ jsonrpc: "2.0" });
  const listed = messages.find((message) => message.includes('"tools":[')) ?? "";
  expect(listed).toContain('"name":"get_run"');
  expect(listed).not.toContain('"name":"submit_run"');
});

async function submitElsewhere(): Promise<{ readonly runId: string }> {
  const { code, stdout } = await cli.run(["run", "hi", "-m", "openai/gpt-5.2", "--detach", "--json"]);
  expect(code).toBe(0);
  return { runId: z.object({ id: z.string() }).parse(JSON.parse(stdout)).id };
}
