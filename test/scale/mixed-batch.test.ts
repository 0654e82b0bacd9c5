/**
 * One batch of different jobs through several worker processes, as people run it: the command line, real processes,
 * simulated models over the real wire protocols. Meanwhile a worker is killed, another one comes, places are taken away
 * while it runs, and a pool rests for a while. All runs succeed, and each is done once.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ModelId, modelIdSchema, type RunId } from "@baton/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CliRig, openCli } from "../support/cli.ts";
import type { ScriptProcess } from "../support/processes.ts";
import { useRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { openRig, type Rig } from "../support/worker-rig.ts";

const GPT = "openai/gpt-5.2";
const CLAUDE = "anthropic/claude-opus-4-5";
const MIXED = [
  {
    input: "Research tidal power, then write a short essay about it",
    model: [GPT, CLAUDE],
    mcp_servers: ["documents"],
  },
  { input: "Say what you are", model: CLAUDE },
  { input: "Name three rivers", model: GPT },
  {
    input: "Research wind power, then write a short essay about it",
    phases: [
      { name: "gather", model: GPT },
      { name: "write", model: CLAUDE },
    ],
  },
];
const LINES = 240;

const redis = useRedis();
let cli: CliRig;
let rig: Rig;
const workers: ScriptProcess[] = [];
beforeAll(async () => {
  cli = await openCli(redis.url);
  rig = await openRig(redis.url);
});
afterAll(async () => {
  for (const worker of workers) await worker[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
  await cli[Symbol.asyncDispose]();
});

async function startWorker(): Promise<ScriptProcess> {
  const args = ["worker", "-m", "openai/*", "-m", "anthropic/*", "--concurrency", "4", "--json"];
  const worker = await cli.start(args);
  workers.push(worker);
  await worker.line(/^\{"ready":true/, 30_000);
  return worker;
}

async function baton(...args: string[]): Promise<string> {
  const result = await cli.run(args);
  expect({ args, ...result }).toMatchObject({ code: 0 });
  return result.stdout;
}

const succeeded = async (): Promise<number> => (await rig.ledger.countBatch("mixed")).succeeded;
const reach = (count: number) =>
  until(async () => (await succeeded()) >= count, { what: `${count} runs to succeed`, withinMs: 90_000 });

test("a mixed batch survives a killed worker, a new one, fewer places and a resting pool", {
  timeout: 180_000,
}, async () => {
  const lines = Array.from({ length: LINES }, (_, line) =>
    JSON.stringify({ custom_id: `job-${line}`, body: MIXED[line % MIXED.length] }),
  );
  const file = join(cli.folder, "mixed.jsonl");
  await writeFile(file, lines.join("\n"));
  const [first] = await Promise.all(Array.from({ length: 4 }, startWorker));
  await baton("batch", "submit", file, "--id", "mixed", "--json");

  await reach(20);
  first?.signal("SIGKILL");
  await reach(40);
  await startWorker();
  await baton("pools", "set", GPT, "--concurrency", "1");
  await reach(70);
  await baton("pools", "set", GPT, "--concurrency", "none");
  await baton("pools", "pause", CLAUDE);
  const claude = modelIdSchema.parse(CLAUDE);
  await until(async () => (await rig.queues.countsOf(claude)).active === 0, { what: "the pool to rest" });
  const before = cli.simulated.callsOf("claude-opus-4-5");
  await reachGptOnly();
  expect(cli.simulated.callsOf("claude-opus-4-5")).toBe(before);
  await baton("pools", "resume", CLAUDE);

  await reach(LINES);
  expect(await rig.ledger.countBatch("mixed")).toMatchObject({
    queued: 0,
    running: 0,
    failed: 0,
    cancelled: 0,
  });
  await judge();
});

/** While the pool of the writers rests, the others go on: until nothing is left for them to do, or much was done. */
async function reachGptOnly(): Promise<void> {
  const from = await succeeded();
  const others = modelIdSchema.parse(GPT);
  await until(async () => (await succeeded()) > from + 5 || (await liveIn(others)) === 0, {
    what: "the other pool to go on",
    withinMs: 30_000,
  });
}

async function liveIn(pool: ModelId): Promise<number> {
  return (await rig.ledger.batchPools("mixed")).get(pool) ?? 0;
}

/** Each line has one run, in the order of the file, and no written reply was bought twice. */
async function judge(): Promise<void> {
  const results = (await baton("batch", "results", "mixed"))
    .trim()
    .split("\n")
    .map((line): { readonly id: RunId; readonly custom_id: string; readonly status: string } =>
      JSON.parse(line),
    );
  expect(results.map((result) => result.custom_id)).toEqual(
    Array.from({ length: LINES }, (_, line) => `job-${line}`),
  );
  expect(new Set(results.map((result) => result.id)).size).toBe(LINES);
  expect(results.every((result) => result.status === "succeeded")).toBe(true);
  const written: string[] = [];
  for (const { id } of results) {
    for (const item of await rig.producer.conversation(id)) {
      if (item.origin?.responseId !== undefined) written.push(item.origin.responseId);
    }
  }
  expect(new Set(written).size).toBe(written.length);
  // What was bought and is in no conversation was in flight at the worker that was killed, one call a place.
  const bought = cli.simulated.callsOf("claude-opus-4-5") + cli.simulated.callsOf("gpt-5.2");
  expect(bought - written.length).toBeLessThanOrEqual(4);
}
