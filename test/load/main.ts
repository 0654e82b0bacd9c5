/**
 * `npm run load -- --rate 200 --seconds 60 [--seed S] [--json FILE]`: asks the API at a constant rate for all that people
 * ask for, beside a worker that is at work, with keys on. It prints what each kind of request took and ends with the line
 * `N passed, N failed`; with 1 when a request failed, the rate was not reached, or an answer took longer than anybody waits.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { print, type Row, say } from "../bench/rows.ts";
import { arrive } from "./arrivals.ts";
import { openClient } from "./client.ts";
import { KINDS, Requests } from "./kinds.ts";
import { openLoadRig } from "./load-rig.ts";
import { Measures, percentile } from "./measures.ts";

const MODEL_MS = 50;
const RUNS_FIRST = 100;
const WARM_UP_SECONDS = 5;
const RATE_REACHED_MIN = 0.98;
/** Not a figure to be proud of: past it something stands still. Machines that do other work too are noisy. */
const P99_MS_MAX = 5_000;

const { values } = parseArgs({
  options: {
    rate: { type: "string", default: "200" },
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    json: { type: "string" },
  },
});
const [rate, seconds, seed] = [numberOf("rate"), numberOf("seconds"), numberOf("seed")];

await using rig = await openLoadRig(MODEL_MS);
using client = openClient(rig.url, rig.key);
const requests = new Requests(client);
const over = new AbortController();
const { stories } = await requests.prepare(RUNS_FIRST, over.signal);
await arrive({ rate, seconds: WARM_UP_SECONDS, seed: seed + 1, requests, measures: new Measures() });
say("warm");
const measures = new Measures();
const before = await rig.cpuMs();
const started = performance.now();
await arrive({
  ...{ rate, seconds, seed, requests, measures },
  onSecond: (second) => {
    if (second % 10 === 0) say(`second ${second} of ${seconds}`);
  },
});
const elapsedMs = performance.now() - started;
const after = await rig.cpuMs();
over.abort();
await stories;
await rig.idle();
const { text } = await client.ask({ path: "/v1/runs?status=failed" });

const reached = measures.inTime / seconds;
const p99 = measures.worstP99Ms;
const failedRuns = text.includes('"data":[]') ? 0 : 1;
const rows: readonly Row[] = [
  ...measures.rows(),
  ...Object.entries(after).map(([name, ms]) => ({
    name: `processor of ${name}`,
    value: ((ms - (before[name] ?? 0)) / elapsedMs) * 100,
    unit: "%",
  })),
  { name: "generator's own lateness, p99", value: percentile(measures.latenessMs, 0.99), unit: "ms" },
  { name: "asked for", value: rate, unit: "1/s" },
  bound("answered in time", reached, "1/s", RATE_REACHED_MIN * rate, reached >= RATE_REACHED_MIN * rate),
  bound("errors", measures.errors, "", 0, measures.errors === 0),
  bound("worst p99", p99, "ms", P99_MS_MAX, p99 <= P99_MS_MAX),
  bound(
    "kinds asked for",
    measures.kinds.length,
    "",
    Object.keys(KINDS).length,
    measures.kinds.length === Object.keys(KINDS).length,
  ),
  bound("runs that failed", failedRuns, "", 0, failedRuns === 0),
];
print(rows, `${rate} requests a second for ${seconds} s, models of ${MODEL_MS} ms`);
for (const told of measures.told) process.stdout.write(`${told}\n`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
const judged = rows.filter(({ ok }) => ok !== undefined);
const failed = judged.filter(({ ok }) => ok === false).length;
process.stdout.write(`${judged.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;

function bound(name: string, value: number, unit: string, bar: number, ok: boolean): Row {
  return { name, value, unit, bar, ok };
}

function numberOf(name: "rate" | "seconds" | "seed"): number {
  const number = Number(values[name]);
  if (Number.isInteger(number) && number > 0) return number;
  throw new Error(`--${name} is a whole number above 0, not ${values[name]}`);
}
