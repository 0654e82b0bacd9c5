/**
 * A producer process of a chaos run: submits the jobs one after another, each when it is due, and writes down what
 * it asked and what it was told. What was due before its start is submitted at once and again, a few at a time, as
 * a producer does that does not know how far the one before it came. Ends after the last job, or with its input.
 * Options: `--url`, `--folder`, `--seed`, `--runs`, `--start` and `--gap` in milliseconds, `--from` the first
 * job that was not accepted yet.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connectProducer } from "@baton/producer";
import { writeLine } from "./files.ts";
import { jobOf } from "./jobs.ts";

const { values } = parseArgs({
  options: {
    url: { type: "string", default: "" },
    folder: { type: "string", default: "" },
    seed: { type: "string", default: "" },
    runs: { type: "string", default: "" },
    start: { type: "string", default: "" },
    gap: { type: "string", default: "" },
    from: { type: "string", default: "0" },
  },
});
const { url, folder } = values;
const [seed, runs, start, gap] = [values.seed, values.runs, values.start, values.gap].map(Number) as [
  number,
  number,
  number,
  number,
];
/** Submits at once. */
const LANES = 4;
/** How many of the jobs before it a producer submits again. */
const AGAIN_MAX = 60;
/** Jobs that one begins with ahead of their time, so that it has something new in hand when it is killed. */
const AHEAD = 6;

process.stdin.once("end", () => process.exit(0));
process.stdin.resume();

await using connected = await connectProducer({ url });
const { producer } = connected;

const due = Math.floor((Date.now() - start) / gap);
let next = Math.max(0, Math.min(Number(values.from), due - AGAIN_MAX));
await Promise.all(
  Array.from({ length: LANES }, async () => {
    while (next < runs) {
      const job = jobOf(seed, next);
      next += 1;
      if (job.index > due + AHEAD) await delay(Math.max(0, start + job.index * gap - Date.now()));
      const { mark, idempotencyKey } = job;
      const common = { pid: process.pid, mark, idempotencyKey };
      writeLine(folder, "submissions", { at: Date.now(), ...common, did: "asked" });
      const batch = job.batch === undefined ? undefined : { id: job.batch, customId: mark, admit: true };
      const { runId } = await producer.submit(job.spec, { idempotencyKey, batch });
      writeLine(folder, "submissions", { at: Date.now(), ...common, did: "accepted", runId });
    }
  }),
);
process.stdout.write("done\n", () => process.exit(0));
