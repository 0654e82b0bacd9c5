/**
 * `npm run chaos:api -- --seed S --minutes M`: real clients at real API processes that are killed, and a judge of what the
 * clients were told. Options: `--jobs N` (default: one each 700 ms); `--json FILE` writes the rows; `--keep FOLDER` keeps all
 * files; `--judge FOLDER` judges a kept folder again and runs nothing. It ends with the line `N passed, N failed`, one for
 * each invariant and each check, and with 1 when one is broken.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { positiveOf, runInFolder } from "../chaos/command.ts";
import { report } from "./report.ts";
import { runChaosApi } from "./run-chaos-api.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "2" },
    jobs: { type: "string" },
    json: { type: "string" },
    keep: { type: "string" },
    judge: { type: "string" },
  },
});

const JOB_EVERY_MS = 700;
const PLAN = "plan.json";
const planSchema = z.object({ seed: z.int(), jobs: z.int() });
type Plan = z.infer<typeof planSchema>;

if (values.judge === undefined) {
  await runInFolder({ keep: values.keep, prefix: "baton-chaos-api-" }, async (folder, signal) => {
    show(folder, await run(folder, signal));
  });
} else {
  const folder = resolve(values.judge);
  show(folder, planSchema.parse(JSON.parse(readFileSync(join(folder, PLAN), "utf8"))));
}

async function run(folder: string, signal: AbortSignal): Promise<Plan> {
  const durationMs = positiveOf("minutes", values.minutes) * 60_000;
  const jobs =
    values.jobs === undefined ? Math.ceil(durationMs / JOB_EVERY_MS) : positiveOf("jobs", values.jobs);
  const plan: Plan = { seed: positiveOf("seed", values.seed), jobs };
  writeFileSync(join(folder, PLAN), JSON.stringify(plan));
  const onProgress = (line: string): void => void process.stderr.write(`${line}\n`);
  await runChaosApi({ ...plan, durationMs, folder, onProgress }, signal);
  return plan;
}

function show(folder: string, { seed, jobs }: Plan): void {
  const { rows, text, passed, failed } = report(folder, jobs);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  process.stdout.write(`\nseed ${seed}\n\n${text}\n${passed} passed, ${failed} failed\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}
