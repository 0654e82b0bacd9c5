/**
 * `npm run chaos:api -- --seed S --minutes M`: real clients at real API processes that are killed, and a judge of what the
 * clients were told. Options: `--jobs N` (default: one each 700 ms); `--json FILE` writes the rows; `--keep FOLDER` keeps all
 * files; `--judge FOLDER` judges a kept folder again and runs nothing. It ends with the line `N passed, N failed`, one for
 * each invariant and each check, and with 1 when one is broken.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
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
  const folder = openFolder(values.keep);
  try {
    show(folder, await run(folder));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    process.exitCode = 1;
  }
  if (values.keep === undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  else process.stderr.write(`kept in ${folder}\n`);
  // What was broken and not healed when the run was aborted must not keep it alive.
  process.exit();
} else {
  const folder = resolve(values.judge);
  show(folder, planSchema.parse(JSON.parse(readFileSync(join(folder, PLAN), "utf8"))));
}

async function run(folder: string): Promise<Plan> {
  const durationMs = numberOf("minutes", values.minutes) * 60_000;
  const jobs =
    values.jobs === undefined ? Math.ceil(durationMs / JOB_EVERY_MS) : numberOf("jobs", values.jobs);
  const plan: Plan = { seed: numberOf("seed", values.seed), jobs };
  writeFileSync(join(folder, PLAN), JSON.stringify(plan));
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    // Also the second time: what was started is being ended.
    process.on(name, () => interrupt.abort(new Error(`ended by ${name}`)));
  }
  const onProgress = (line: string): void => void process.stderr.write(`${line}\n`);
  await runChaosApi({ ...plan, durationMs, folder, onProgress }, interrupt.signal);
  return plan;
}

function show(folder: string, { seed, jobs }: Plan): void {
  const { rows, text, passed, failed } = report(folder, jobs);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  process.stdout.write(`\nseed ${seed}\n\n${text}\n${passed} passed, ${failed} failed\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}

function numberOf(name: "seed" | "minutes" | "jobs", text: string): number {
  const number = Number(text);
  if (!(number > 0) || !(Number.isInteger(number) || name === "minutes")) {
    throw new Error(`--${name} is a number above 0, not ${text}`);
  }
  return number;
}

/** The folder that was asked for, which must be empty, or a private one. */
function openFolder(asked: string | undefined): string {
  if (asked === undefined) return mkdtempSync(join(tmpdir(), "baton-chaos-api-"));
  const folder = resolve(asked);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (readdirSync(folder).length > 0) throw new Error(`${folder} is not empty`);
  return folder;
}
