/**
 * A large batch over HTTP: 100 MB come in and their results go out to a slow reader, and the memory of the API does not
 * depend on how much it is. An API that is killed half-way is started again, and the same file goes on.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { shardKeys } from "@baton/store";
import type { Redis } from "ioredis";
import { expect, test } from "vitest";
import { type CliRig, openCli } from "../support/cli.ts";
import type { ScriptProcess } from "../support/processes.ts";
import { useRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";

const LINES = 60_000;
const LINE_BYTES = 1_750;
/** What a file a hundredth as long takes is the measure. */
const GROWTH_MB_MAX = 80;

/** In a second: what an API does that is asked for nothing, and a test that looks. */
const QUIET_COMMANDS = 100;

const redis = useRedis();

async function startApi(cli: CliRig) {
  const child = await cli.start(["api", "--port", "0", "--json"]);
  const [line] = await child.line(/^\{"ready":true.*/, 20_000);
  const { url } = JSON.parse(line);
  return { child, url: String(url) };
}

/** A line of exactly so many bytes. */
function lineOf(at: number): string {
  const body = { input: `Research company number ${at}. `, model: "openai/gpt-5.2" };
  const line = (input: string) =>
    `${JSON.stringify({ custom_id: `item-${at}`, body: { ...body, input } })}\n`;
  return line(body.input + "x".repeat(LINE_BYTES - line(body.input).length));
}

/** Sends the file as it is made, as fast as it is taken. */
async function upload(url: string, id: string, lines: number) {
  const sent = request(`${url}/v1/batches?id=${id}`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson", "content-length": lines * LINE_BYTES },
  });
  const answered = once(sent, "response");
  answered.catch(() => undefined);
  for (let at = 0; at < lines; at += 100) {
    const some = Array.from({ length: 100 }, (_, place) => lineOf(at + place)).join("");
    if (!sent.write(some)) await Promise.race([once(sent, "drain"), answered]);
  }
  sent.end();
  const [response] = await answered;
  let text = "";
  for await (const chunk of response) text += chunk;
  return { status: Number(response.statusCode), body: JSON.parse(text) };
}

/** The most memory that the process ever had, in megabytes. */
async function peakRssMb(child: ScriptProcess): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_000;
}

async function runsOf(client: Redis, id: string): Promise<number> {
  return client.zcard(`${shardKeys(0).batchPrefix}${id}:runs`);
}

async function commandsOf(client: Redis): Promise<number> {
  return Number(/^total_commands_processed:(\d+)/m.exec(await client.info("stats"))?.[1]);
}

/** Takes the first of an answer and then nothing, until the API stops to read for it; then the rest. */
async function readSlowly(url: string, client: Redis) {
  const before = await commandsOf(client);
  const [response] = await once(request(url).end(), "response");
  let [lines, last] = [0, ""];
  let readAhead: number | undefined;
  for await (const chunk of response) {
    for (const byte of chunk) if (byte === 0x0a) lines += 1;
    last = (last + chunk).slice(-2_000);
    if (readAhead !== undefined) continue;
    let so = await commandsOf(client);
    await until(
      async () => {
        await delay(1_000);
        const [was, now] = [so, await commandsOf(client)];
        so = now;
        return now - was < QUIET_COMMANDS;
      },
      { what: "the API to read no more", withinMs: 60_000 },
    );
    readAhead = so - before;
  }
  const end = JSON.parse(last.trim().split("\n").at(-1) ?? "");
  return { lines, last: end, readAhead, read: (await commandsOf(client)) - before };
}

test.skipIf(process.platform !== "linux")(
  "100 MB go in and their results come out in flat memory, through a kill in the middle",
  async () => {
    await using cli = await openCli(redis.url);
    const client = redis.connect();
    const small = await startApi(cli);
    await using first = small.child;
    expect(await upload(small.url, "small", LINES / 100)).toMatchObject({ status: 202 });
    const base = await peakRssMb(first);
    const killed = upload(small.url, "large", LINES);
    killed.catch(() => undefined);
    await until(async () => (await runsOf(client, "large")) > LINES / 20, {
      what: "some of the runs",
      withinMs: 120_000,
    });
    await first.kill();
    await expect(killed).rejects.toThrow();
    const there = await runsOf(client, "large");
    expect(there).toBeLessThan(LINES);

    const { child, url } = await startApi(cli);
    await using second = child;
    const { status, body } = await upload(url, "large", LINES);
    expect({ status, body }).toMatchObject({
      status: 202,
      body: { id: "large", lines: LINES, submission: { created: LINES - there, known: there, conflicts: 0 } },
    });
    const up = (await peakRssMb(second)) - base;
    expect(up).toBeLessThan(GROWTH_MB_MAX);

    const cancelled = await (await fetch(`${url}/v1/batches/large/cancel`, { method: "POST" })).json();
    expect(cancelled).toMatchObject({ cancelled: LINES, refused: 0 });
    const { lines, last, readAhead, read } = await readSlowly(`${url}/v1/batches/large/results`, client);
    // The sockets between the two hold some megabytes of it.
    expect(readAhead).toBeLessThan(read / 4);
    expect(lines).toBe(LINES);
    expect(last).toMatchObject({ custom_id: `item-${LINES - 1}`, status: "cancelled" });
    expect((await peakRssMb(second)) - base).toBeLessThan(GROWTH_MB_MAX);
  },
  600_000,
);
