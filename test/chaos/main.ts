/**
 * `npm run chaos -- --runs N --seed S --minutes M`: breaks workers, Redis, networks, queues and producers while runs
 * are at work, and judges what came of it. Options: `--json FILE` writes the rows; `--keep FOLDER` keeps all files
 * and the history; `--truncate` and `--no-truncate` say whether Redis once loses the end of its append-only file
 * (default: when there are two minutes for it); `--judge FOLDER` judges a kept folder again and runs nothing.
 * It ends with the line `N passed, N failed`, one for each invariant, and with 1 when one is broken.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { checkHistory, measure } from "./checker.ts";
import { readHistory, readNotes } from "./read-history.ts";
import { judgementOf, rowsOf, tableOf, tallyOf } from "./report.ts";
import { runChaos } from "./run-chaos.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "3" },
    json: { type: "string" },
    keep: { type: "string" },
    truncate: { type: "boolean" },
    judge: { type: "string" },
  },
  allowNegative: true,
});

const TRUNCATES_FROM_MINUTES = 2;

if (values.judge === undefined) {
  const folder = openFolder(values.keep);
  try {
    await run(folder);
    judge(folder);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    process.exitCode = 1;
  }
  if (values.keep === undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  else process.stderr.write(`kept in ${folder}\n`);
  // What was broken and not healed when the run was aborted must not keep it alive.
  process.exit();
} else {
  judge(resolve(values.judge));
}

async function run(folder: string): Promise<void> {
  const [runs, seed, minutes] = [numberOf("runs"), numberOf("seed"), numberOf("minutes")];
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    // Also the second time: what was started is being ended.
    process.on(name, () => interrupt.abort(new Error(`ended by ${name}`)));
  }
  await runChaos(
    {
      runs,
      seed,
      durationMs: minutes * 60_000,
      truncates: values.truncate ?? minutes >= TRUNCATES_FROM_MINUTES,
      folder,
      onProgress: (line) => process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`),
    },
    interrupt.signal,
  );
  if (process.stderr.isTTY) process.stderr.write("\n");
}

function judge(folder: string): void {
  const history = readHistory(folder);
  const verdict = {
    history,
    violations: checkHistory(history),
    measures: measure(history),
    notes: readNotes(folder),
  };
  const rows = rowsOf(verdict);
  const { passed, failed } = tallyOf(verdict);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  process.stdout.write(`\nseed ${history.seed}\n\n${tableOf(rows)}\n${judgementOf(verdict)}\n`);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}

function numberOf(name: "runs" | "seed" | "minutes"): number {
  const number = Number(values[name]);
  if (!(number > 0) || !(Number.isInteger(number) || name === "minutes")) {
    throw new Error(`--${name} is a number above 0, not ${values[name]}`);
  }
  return number;
}

/** The folder that was asked for, which must be empty, or a private one. */
function openFolder(asked: string | undefined): string {
  if (asked === undefined) return mkdtempSync(join(tmpdir(), "baton-chaos-"));
  const folder = resolve(asked);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (readdirSync(folder).length > 0) throw new Error(`${folder} is not empty`);
  return folder;
}
