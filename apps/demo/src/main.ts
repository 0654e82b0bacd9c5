/**
 * `npm run demo`: the offline demo. With `--json`, standard output carries the results as JSON lines alone, and
 * progress goes to standard error. Exit codes: 0 all went as promised, 1 something did not, 2 usage, 3 no Redis;
 * after a signal 128 and its number, when all that was started is stopped.
 */
import { constants } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { toBatonError } from "@baton/core";
import { TOPICS } from "./index.ts";
import { isGood } from "./show/audit.ts";
import { demoFolder } from "./show/demo-folder.ts";
import { openProgress } from "./show/progress.ts";
import { runDemo } from "./show/run-demo.ts";
import { sayTable, sayVerdict, sayWhere } from "./show/summary.ts";
import { resultLine } from "./show/text-file.ts";

const USAGE = "usage: npm run demo [-- --json]\n";
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const flags = readFlags(args);
  if (flags === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const interrupted = new AbortController();
  let received: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    received ??= signal;
    interrupted.abort();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    return await show(flags.json, interrupted.signal);
  } catch (thrown) {
    if (received !== undefined) {
      process.stderr.write("Stopped: nothing of the demo runs any more.\n");
      return 128 + constants.signals[received];
    }
    const { code, message } = toBatonError(thrown);
    process.stderr.write(`demo: ${message}\n`);
    return code.startsWith("redis_") ? 3 : 1;
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

async function show(json: boolean, signal: AbortSignal): Promise<number> {
  using progress = openProgress({
    stream: json ? process.stderr : process.stdout,
    runs: TOPICS.length,
    interactive: !process.env.CI && process.env.TERM !== "dumb",
    now: Date.now,
  });
  const folder = demoFolder(process.env.BATON_DATA_DIR);
  const outcome = await runDemo({ folder, env: process.env, progress, now: Date.now }, signal);
  progress[Symbol.dispose]();
  sayTable(outcome, progress);
  sayVerdict(outcome, progress);
  sayWhere(folder, progress);
  if (json) for (const run of outcome.runs) process.stdout.write(resultLine(run));
  return isGood(outcome) ? 0 : 1;
}

function readFlags(args: readonly string[]): { readonly json: boolean } | undefined {
  try {
    const { values } = parseArgs({ args: [...args], options: { json: { type: "boolean", default: false } } });
    return values;
  } catch {
    // What is wrong with them is said by the usage.
    return undefined;
  }
}
