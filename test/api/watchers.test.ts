/** A thousand readers of one API process: on few connections to Redis, in bounded memory, each with every event. */
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiProcess } from "../support/api-process.ts";
import { useRedis } from "../support/redis.ts";
import { scriptedModels } from "../support/scripted-model.ts";
import { openSse, type SseReader } from "../support/sse-client.ts";
import { until } from "../support/until.ts";
import { openRig, type Rig } from "../support/worker-rig.ts";

const RUNS = 50;
const READERS_OF_EACH = 20;
const DELTAS = 60;
const REDIS_CONNECTIONS_MAX = 5;
const RSS_MB_MAX = 600;

const redis = useRedis();
let rig: Rig;
let begin: () => void;
beforeAll(async () => {
  rig = await openRig(redis.url);
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  begin = resolve;
  const models = scriptedModels(async (_request, signal, onDelta) => {
    await begun;
    for (let count = 0; count < DELTAS && !signal.aborted; count += 1) {
      onDelta({ kind: count % 2 === 0 ? "text" : "reasoning", text: `${count} ` });
      await delay(40);
    }
    return { parts: [{ type: "text", text: "done" }] };
  });
  await rig.startWorker({ adapters: models.adapters, patterns: ["sim/*"], concurrency: RUNS });
});
afterAll(() => rig?.[Symbol.asyncDispose]());

test("a thousand readers of fifty runs get every event in order, on at most five connections to Redis", async () => {
  const client = redis.connect();
  const connections = async () =>
    String(await client.client("LIST"))
      .trim()
      .split("\n").length;
  const before = await connections();
  await using api = await ApiProcess.start(redis.url);
  const ids = await Promise.all(
    Array.from({ length: RUNS }, async (_, place) => {
      const { runId } = await rig.producer.submit({ input: `run ${place}`, model: "sim/a" });
      return runId;
    }),
  );
  const readers: { readonly run: number; readonly reader: SseReader }[] = [];
  for (const [run, id] of ids.entries()) {
    const url = `${api.url}/v1/runs/${id}/events?after=0-0`;
    const opened = await Promise.all(Array.from({ length: READERS_OF_EACH }, () => openSse(url)));
    readers.push(...opened.map((reader) => ({ run, reader })));
  }
  expect(readers.every(({ reader }) => reader.status === 200)).toBe(true);
  begin();
  await until(() => readers.every(({ reader }) => reader.frames.length > DELTAS / 2), {
    what: "half of the story at all readers",
    withinMs: 60_000,
  });
  expect((await connections()) - before).toBeLessThanOrEqual(REDIS_CONNECTIONS_MAX);
  const ends = await Promise.all(readers.map(({ reader }) => reader.ended));
  expect(ends.every(Boolean), "each ends in order").toBe(true);
  expect(await rssMb(api.process.pid)).toBeLessThan(RSS_MB_MAX);
  for (const [run, id] of ids.entries()) {
    const story = await Array.fromAsync(
      rig.producer.watch(id, { after: "0-0" }, AbortSignal.timeout(10_000)),
    );
    const own = readers.filter((one) => one.run === run);
    expect(own).toHaveLength(READERS_OF_EACH);
    for (const { reader } of own) {
      expect(reader.frames.at(-1)?.event).toBe("end");
      expect(reader.frames.slice(0, -1).map((frame) => frame.id)).toEqual(story.map((event) => event.id));
    }
  }
}, 120_000);

async function rssMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}
