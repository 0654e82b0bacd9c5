/**
 * A large batch file: its submission is killed half-way and goes on, Redis dies under it and comes back, and the memory
 * of the client does not depend on how long the file is.
 */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { shardKeys } from "@baton/store";
import { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { type CliRig, openCli } from "../support/cli.ts";
import { type ScriptProcess, sendSignal } from "../support/processes.ts";
import { freshRedis, useRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

const LINES = 100_000;
const RSS_MB_MAX = 280;

async function writeBatch(cli: CliRig, name: string, lines: number): Promise<string> {
  const file = createWriteStream(join(cli.folder, name));
  for (let at = 0; at < lines; at += 1) {
    const body = { input: `Research company number ${at} and write about it`, model: "openai/gpt-5.2" };
    const isTaken = file.write(`${JSON.stringify({ custom_id: `item-${at}`, body })}\n`);
    if (!isTaken) await once(file, "drain");
  }
  file.end();
  await once(file, "close");
  return name;
}

/** Runs of the batch, by its index. */
async function runsOf(redis: Redis, id: string): Promise<number> {
  return redis.zcard(`${shardKeys(0).batchPrefix}${id}:runs`);
}

/** The most memory that the process ever had, in megabytes, as long as it lives. */
async function peakRssMb(child: ScriptProcess): Promise<number | undefined> {
  const status = await readFile(`/proc/${child.pid}/status`, "utf8").catch(() => "");
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) / 1_000;
}

/** Follows a command to its end. */
async function finish(child: ScriptProcess): Promise<{ readonly summary: unknown; readonly rssMb: number }> {
  let rssMb = 0;
  const ended = await until(
    async () => {
      rssMb = Math.max(rssMb, (await peakRssMb(child)) ?? 0);
      return await Promise.race([child.ended, Promise.resolve(undefined)]);
    },
    { what: "the end of the submission", withinMs: 150_000 },
  );
  expect({ ...ended, stderr: child.stderr }).toEqual({ code: 0, signal: null, stderr: "" });
  return { summary: JSON.parse(child.stdout.trim().split("\n").at(-1) ?? ""), rssMb };
}

describe("with a Redis that stays", () => {
  const redis = useRedis();

  test("100,000 lines, killed half-way and submitted again, are 100,000 runs", async () => {
    await using cli = await openCli(redis.url);
    const file = await writeBatch(cli, "large.jsonl", LINES);
    const client = redis.connect();
    await using killed = await cli.start(["batch", "submit", file, "--id", "large", "--json"]);
    await until(async () => (await runsOf(client, "large")) > LINES / 2, {
      what: "half of the runs",
      withinMs: 120_000,
    });
    await killed.kill();
    const half = await runsOf(client, "large");
    expect(half).toBeLessThan(LINES);
    await using again = await cli.start(["batch", "submit", file, "--id", "large", "--json"]);
    const { summary, rssMb } = await finish(again);
    expect(summary).toEqual({
      ...{ id: "large", runs: LINES, invalid: 0, conflicts: 0, complete: true },
      ...{ created: LINES - half, known: half },
    });
    expect(await runsOf(client, "large")).toBe(LINES);
    const status = await cli.run(["batch", "status", "large", "--json"]);
    expect(JSON.parse(status.stdout)).toMatchObject({ lines: LINES, total: LINES, status: "working" });
    // A tenth of the lines takes as much memory.
    const tenth = await writeBatch(cli, "tenth.jsonl", LINES / 10);
    await using small = await cli.start(["batch", "submit", tenth, "--json"]);
    const other = await finish(small);
    if (process.platform !== "linux") return;
    expect(other.rssMb).toBeGreaterThan(50);
    expect(rssMb).toBeLessThan(RSS_MB_MAX);
    expect(rssMb / other.rssMb).toBeLessThan(1.25);
  }, 300_000);
});

test("while Redis is away the submission waits, and goes on where it was", async () => {
  await using redis = await freshRedis();
  await using cli = await openCli(redis.url);
  const file = await writeBatch(cli, "lines.jsonl", LINES / 5);
  const client = new Redis(redis.url, { maxRetriesPerRequest: null });
  client.on("error", () => undefined);
  try {
    await using child = await cli.start(["batch", "submit", file, "--id", "lines", "--json"]);
    await until(async () => (await runsOf(client, "lines")) > 2_000, { what: "some runs", withinMs: 60_000 });
    sendSignal(redis.pid, "SIGKILL");
    await until(() => child.stderr.includes("redis: "), {
      what: "a word of the lost connection",
      withinMs: 20_000,
    });
    await redis.restart();
    const { code } = await child.end(120_000);
    expect({ code, last: JSON.parse(child.stdout.trim().split("\n").at(-1) ?? "") }).toMatchObject({
      code: 0,
      last: { runs: LINES / 5, conflicts: 0, complete: true },
    });
    expect(await runsOf(client, "lines")).toBe(LINES / 5);
  } finally {
    client.disconnect();
  }
}, 240_000);
