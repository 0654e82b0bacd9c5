/** The command line through an API that is killed and started again: what was begun goes on, and is done once. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connectProducer, type Producer } from "@baton/producer";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiProcess } from "../support/api-process.ts";
import { type CliRig, openCli } from "../support/cli.ts";
import type { ScriptProcess } from "../support/processes.ts";
import { freshRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

const TASK = [
  ...["run", "Research tidal power, then write a short essay about it", "--mcp", "documents"],
  ...["-m", "openai/gpt-5.2", "-m", "anthropic/claude-opus-4-5"],
];
const LINES = 6_000;
const WITHIN_MS = 60_000;

let api: ApiProcess;
let cli: CliRig;
let producer: Producer;
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  const redis = stack.use(await freshRedis());
  api = stack.use(await ApiProcess.start(redis.url));
  cli = stack.use(await openCli(redis.url, true));
  const worker = stack.use(await cli.start(["worker", "-m", "openai/*", "-m", "anthropic/*", "--json"]));
  await worker.line(/^\{"ready":true/, WITHIN_MS);
  ({ producer } = stack.use(await connectProducer({ url: redis.url })));
});
afterAll(() => stack.disposeAsync());

/** A command that has the API alone. */
function start(...args: readonly string[]): Promise<ScriptProcess> {
  return cli.start(args, { BATON_SERVER: api.url, BATON_REDIS_URL: "redis://127.0.0.1:1" });
}

/** Kills the API, waits until the command feels it, and starts the API again. */
async function strike(child: ScriptProcess): Promise<void> {
  const before = child.stderr.length;
  await api.process.kill();
  await until(() => child.stderr.slice(before).includes("no Baton API answers"), {
    what: "the command to feel it",
    withinMs: WITHIN_MS,
  });
  await api.startAgain();
}

async function requests(): Promise<{ readonly open: number; readonly runsRead: number }> {
  const text = await (await fetch(`${api.url}/metrics`)).text();
  const reads = text
    .split("\n")
    .filter((line) => /^baton_api_requests_total\{.*"\/v1\/runs\/:id"/.test(line));
  return {
    open: Number(/^baton_api_requests_open (\d+)$/m.exec(text)?.[1] ?? 0),
    runsRead: reads.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0),
  };
}

async function runIds(): Promise<readonly string[]> {
  return (await producer.page({ limit: 200 })).runs.map(({ id }) => id);
}

test("run and runs watch go on when the API was killed under them, and the run is one", async () => {
  const before = await runIds();
  await using child = await start(...TASK, "--json");
  const id = await until(async () => (await runIds()).find((one) => !before.includes(one)), {
    what: "the run",
    withinMs: WITHIN_MS,
  });
  await until(async () => (await requests()).open >= 2, {
    what: "the run to be waited for",
    withinMs: WITHIN_MS,
  });
  const { runsRead } = await requests();
  await using watching = await start("runs", "watch", id);
  // Both, and this look itself. A command that has had no answer of the API yet says so and ends: its first one is there.
  await until(
    async () => {
      const now = await requests();
      return now.runsRead > runsRead && now.open >= 3;
    },
    { what: "both to wait", withinMs: WITHIN_MS },
  );
  await strike(child);
  expect(await child.end(WITHIN_MS)).toEqual({ code: 0, signal: null });
  expect(JSON.parse(child.stdout)).toMatchObject({
    id,
    status: "succeeded",
    models_used: ["openai/gpt-5.2", "anthropic/claude-opus-4-5"],
  });
  expect(await watching.end(WITHIN_MS)).toEqual({ code: 0, signal: null });
  expect(watching.stdout).toMatch(/simulated model/);
  expect((await runIds()).length).toBe(before.length + 1);
}, 180_000);

test("a watch tells the whole story once, though the API is killed twice in the middle of it", async () => {
  await using connected = await connectProducer({ server: api.url });
  const { producer: remote } = connected;
  const { runId } = await remote.submit({
    input: "Research tidal power, then write a short essay about it",
    model: ["openai/gpt-5.2", "anthropic/claude-opus-4-5"],
    mcp_servers: ["documents"],
  });
  const never = new AbortController().signal;
  const seen: string[] = [];
  for await (const { id } of remote.watch(runId, { after: "0-0" }, never)) {
    seen.push(id);
    if (seen.length === 3 || seen.length === 12) {
      await api.process.kill();
      await api.startAgain();
    }
  }
  const story: string[] = [];
  for await (const { id } of producer.watch(runId, { after: "0-0" }, never)) story.push(id);
  expect(story.length).toBeGreaterThan(15);
  expect(seen).toEqual(story);
}, 180_000);

test("batch submit goes on when the API was killed in the middle of it, and each line is one run", async () => {
  const line = (at: number) =>
    JSON.stringify({ custom_id: `n${at}`, body: { input: `Write ${at}`, model: "xai/later" } });
  const text = Array.from({ length: LINES }, (_, at) => `${line(at)}\n`).join("");
  await writeFile(join(cli.folder, "large.jsonl"), text);
  await using child = await start("batch", "submit", "large.jsonl", "--id", "large");
  const totalNow = () => producer.batchStatus("large").then(({ total }) => total);
  await until(async () => (await totalNow()) > 0, { what: "the first runs", withinMs: WITHIN_MS });
  await api.process.kill();
  expect(await totalNow()).toBeLessThan(LINES);
  await api.startAgain();
  expect(await child.end(WITHIN_MS)).toEqual({ code: 0, signal: null });
  expect(child.stdout).toBe("large\n");
  expect(child.stderr).toMatch(
    /^server: no Baton API answers .*\n[\d,]+ new runs, [\d,]+ that were there already\n/,
  );
  expect(await producer.batchStatus("large")).toMatchObject({ total: LINES, lines: LINES, isOpen: false });

  await using cancelling = await start("batch", "cancel", "large", "--json");
  const cancelled = () => producer.batchStatus("large").then(({ runs }) => runs.cancelled);
  await until(async () => (await cancelled()) > 0, { what: "the first cancelled runs", withinMs: WITHIN_MS });
  await api.process.kill();
  expect(await cancelled()).toBeLessThan(LINES);
  await api.startAgain();
  expect(await cancelling.end(WITHIN_MS)).toEqual({ code: 0, signal: null });
  expect(JSON.parse(cancelling.stdout.trim().split("\n").at(-1) ?? "")).toMatchObject({
    refused: 0,
    complete: true,
  });
  expect(await cancelled()).toBe(LINES);
}, 180_000);
