/**
 * `npm run chaos -- --runs N --seed S --minutes M`: breaks workers, Redis, networks, queues and producers while runs
 * are at work, and judges what came of it. Options: `--json FILE` writes the rows; `--keep FOLDER` keeps all files
 * and the history; `--truncate` and `--no-truncate` say whether Redis once loses the end of its append-only file
 * (default: when there are two minutes for it); `--judge FOLDER` judges a kept folder again and runs nothing.
 * It ends with the line `N passed, N failed`, one for each invariant, and with 1 when one is broken.
 */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { checkHistory, measure } from "./checker.ts";
import { positiveOf, runInFolder } from "./command.ts";
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
  await runInFolder({ keep: values.keep, prefix: "baton-chaos-" }, async (folder, signal) => {
    await run(folder, signal);
    judge(folder);
  });
} else {
  judge(resolve(values.judge));
}

async function run(folder: string, signal: AbortSignal): Promise<void> {
  const minutes = positiveOf("minutes", values.minutes);
  await runChaos(
    {
      runs: positiveOf("runs", values.runs),
      seed: positiveOf("seed", values.seed),
      durationMs: minutes * 60_000,
      truncates: values.truncate ?? minutes >= TRUNCATES_FROM_MINUTES,
      folder,
      onProgress: (line) => process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`),
    },
    signal,
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
