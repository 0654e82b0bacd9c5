/**
 * The worker process of the streaming benchmark: its model streams a delta every 100 to 200 ms into each phase until
 * standard input says `stop`. Each second a line tells what the process uses: `{streams, rssMb, loopP99Ms, deltas}`.
 */
import { once } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import type { ModelReply } from "@baton/core";
import { openBenchRig, textReply } from "./bench-rig.ts";

const REPORT_MS = 1_000;
/** The timer of the histogram is part of what it measures. */
const RESOLUTION_MS = 5;
/** Ten tokens or so. */
const DELTA = "a model says some ten tokens at a time, ";

const [url = "", places = ""] = process.argv.slice(2);
const stopping = new AbortController();
let streams = 0;
let deltas = 0;

await using _rig = await openBenchRig({
  url,
  concurrency: Number(places),
  pools: ["bench/a"],
  call: async (request, onDelta): Promise<ModelReply> => {
    streams += 1;
    try {
      let text = "";
      while (!stopping.signal.aborted) {
        await delay(100 + Math.random() * 100);
        text += DELTA;
        deltas += 1;
        onDelta({ kind: "text", text: DELTA });
      }
      return textReply(request, text);
    } finally {
      streams -= 1;
    }
  },
});
const loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
loop.enable();
const report = setInterval(() => {
  const loopP99Ms = Math.max(0, loop.percentile(99) / 1e6 - RESOLUTION_MS);
  loop.reset();
  const rssMb = process.memoryUsage.rss() / 1e6;
  process.stdout.write(`${JSON.stringify({ streams, rssMb, loopP99Ms, deltas })}\n`);
  deltas = 0;
}, REPORT_MS);
process.stdout.write("ready\n");
await once(process.stdin, "data");
stopping.abort();
await once(process.stdin, "end");
clearInterval(report);
