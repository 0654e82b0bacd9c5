/**
 * Many phases that stream at once in one worker process: what that process weighs and how late its event loop gets,
 * while a few watchers follow some of the runs. The model stands at the adapter interface in the same process, so its
 * timers are part of the figures.
 */
import { join } from "node:path";
import { z } from "zod";
import { type ScriptProcess, startScript } from "../support/processes.ts";
import { freshRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { openSubmitter } from "./bench-rig.ts";
import { median, type Row, say } from "./rows.ts";

const WATCHERS = 5;
const WINDOW_S = 15;
const RSS_MB_MAX = 400;
const LOOP_MS_MAX = 50;

export async function streaming(counts: readonly number[]): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const count of counts) rows.push(...(await streamingAt(count)));
  return rows;
}

const reportSchema = z.object({
  streams: z.number(),
  rssMb: z.number(),
  loopP99Ms: z.number(),
  deltas: z.number(),
});
type Report = z.infer<typeof reportSchema>;

async function streamingAt(count: number): Promise<readonly Row[]> {
  await using redis = await freshRedis();
  await using submitter = await openSubmitter(redis.url);
  const file = join(import.meta.dirname, "streaming-child.ts");
  await using child = await startScript(file, { args: [redis.url, String(count)] });
  await child.line(/^ready$/, 30_000);
  const watching = new AbortController();
  let seen = 0;
  const watchers: Promise<void>[] = [];
  const began = performance.now();
  for (let made = 0; made < count; made += 1) {
    const { runId } = await submitter.producer.submit({ input: "go", model: "bench/a" });
    if (made >= WATCHERS) continue;
    const watch = async (): Promise<void> => {
      for await (const { event } of submitter.producer.watch(runId, {}, watching.signal)) {
        if (event.type === "text") seen += 1;
      }
    };
    watchers.push(watch());
  }
  await until(() => reportsOf(child).at(-1)?.streams === count, {
    what: `${count} phases to stream`,
    withinMs: 120_000,
  });
  const startedMs = performance.now() - began;
  const skip = reportsOf(child).length;
  const seenBefore = seen;
  await until(() => reportsOf(child).length >= skip + WINDOW_S, {
    what: "the reports of the window",
    withinMs: WINDOW_S * 4_000,
  });
  const window = reportsOf(child).slice(skip);
  const watched = (seen - seenBefore) / WATCHERS / WINDOW_S;
  if (watched === 0) throw new Error("the watchers saw no text");
  const steady = window.every(({ streams }) => streams === count);
  if (!steady) throw new Error("not all phases streamed all the time");
  watching.abort();
  await Promise.allSettled(watchers);
  say(`${count} streams: all began within ${(startedMs / 1_000).toFixed(1)} s`);
  return rowsOf(count, window, watched);
}

function rowsOf(count: number, window: readonly Report[], watched: number): readonly Row[] {
  const name = (what: string) => `${count.toLocaleString("en")} streams: ${what}`;
  const rssMb = Math.max(...window.map((report) => report.rssMb));
  // The median second: a pause that the machine makes falls into one of them.
  const loopMs = median(window.map((report) => report.loopP99Ms));
  return [
    {
      name: name("memory of the process"),
      value: rssMb,
      unit: "MB",
      bar: RSS_MB_MAX,
      ok: rssMb < RSS_MB_MAX,
    },
    {
      name: name("event loop late, p99"),
      value: loopMs,
      unit: "ms",
      bar: LOOP_MS_MAX,
      ok: loopMs <= LOOP_MS_MAX,
    },
    { name: name("deltas a second"), value: median(window.map((report) => report.deltas)), unit: "1/s" },
    { name: name("events a second a watcher sees"), value: watched, unit: "1/s" },
  ];
}

function reportsOf(child: ScriptProcess): readonly Report[] {
  return child.stdout
    .split("\n")
    .slice(0, -1)
    .filter((line) => line.startsWith("{"))
    .map((line) => reportSchema.parse(JSON.parse(line)));
}
