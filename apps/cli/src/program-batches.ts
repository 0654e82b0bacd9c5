/** The commands for batches: a file in, its progress, results out. */
import { type Command, Option } from "commander";
import type { ExitCode } from "./exit-code.ts";
import { amount, collect, natural, number, positive } from "./flag-values.ts";

type Report = (code: ExitCode) => void;

const EFFORTS = ["minimal", "low", "medium", "high", "max"];

export function addBatches(program: Command, report: Report): void {
  const batch = program
    .command("batch")
    .description("batches: a file of runs in, their progress, their results");
  addSubmit(batch, report);
  addLooks(batch, report);
  addOutputs(batch, report);
  addActs(batch, report);
}

function addSubmit(batch: Command, report: Report): void {
  const submit = batch
    .command("submit <file>")
    .description("check a file whole, then make a run of each line; - reads standard input")
    .option("--format <format>", "jsonl or csv; absent: told by the file's name and by --template")
    .option("--template <text>", "for CSV: the input of each run, such as 'Research {{company}}'")
    .option("--id <batch>", "the batch's id; absent: made from what the file says")
    .option("--weight <n>", "its share of each pool, beside 1 for another batch", amount)
    .option("--budget-tokens <n>", "input and output tokens of all its runs", positive)
    .option("--budget-usd <amount>", "US dollars of all its runs", amount)
    .option("--run-at <time>", "start none of its runs before, such as 2026-11-21T22:00:00Z")
    .option("--skip-invalid", "submit the lines that are right, and leave out the others")
    .option("--invalid <file>", "write what is wrong with lines there, as JSON lines")
    .option("--check", "check the file and submit nothing")
    .option("--line-bytes-max <n>", "bytes of a line at most", positive)
    .option("--json", "print JSON lines: bad lines, conflicts, and a summary at the end");
  withDefaults(submit).action(async (file, flags) =>
    report(await (await import("./commands/batch-submit.ts")).submit(file, flags)),
  );
}

/** What holds for each run whose line does not say otherwise. */
function withDefaults(command: Command): Command {
  return command
    .option("-m, --model <provider/model>", "a model for lines that name none; again for more", collect)
    .option("--mcp <server>", "an MCP server for lines that name none", collect)
    .option("--tool <name>", "a function tool for lines that name none", collect)
    .option("--instructions <text>", "system instructions")
    .option("--temperature <n>", "a setting of the model calls", number)
    .option("--max-output-tokens <n>", "a setting of the model calls", positive)
    .addOption(new Option("--effort <effort>", "a setting of the model calls").choices(EFFORTS))
    .option("--max-turns <n>", "model calls of a run at most", positive)
    .option("--max-handoffs <n>", "handoffs of a run at most", natural)
    .option("--policy <name>", "a policy of the configuration")
    .option("--fallback <provider/model>", "who takes over when a model fails for good", collect)
    .option("--spec <file>", "more fields of a run spec, as JSON; flags go over it");
}

function addLooks(batch: Command, report: Report): void {
  batch
    .command("ls")
    .description("list batches, newest first")
    .option("--limit <n>", "at most so many", positive, 20)
    .option("--json", "print JSON lines")
    .action(async (flags) => report(await (await import("./commands/batch.ts")).list(flags)));
  batch
    .command("status <batch>")
    .description("its runs by status and by pool, and what they spent")
    .option("--json", "print JSON")
    .action(async (id, flags) => report(await (await import("./commands/batch.ts")).status(id, flags)));
  batch
    .command("watch <batch>")
    .description("follow it to its end; Ctrl-C leaves it running")
    .option("--json", "print a JSON line each second")
    .action(async (id, flags) => report(await (await import("./commands/batch-watch.ts")).watch(id, flags)));
}

function addOutputs(batch: Command, report: Report): void {
  const load = () => import("./commands/batch-results.ts");
  const order = ["--as-finished", "in the order in which the runs ended, not in that of the lines"] as const;
  const follow = ["--follow", "with --as-finished: go on until the batch is over"] as const;
  batch
    .command("results <batch>")
    .description("a JSON line for each run that has ended, also while others go on")
    .option("--status <status>", "only those that succeeded, failed or are cancelled", collect)
    .option(...order)
    .option(...follow)
    .option("--json", "as without it")
    .action(async (id, flags) => report(await (await load()).results(id, flags)));
  batch
    .command("errors <batch>")
    .description("a JSON line for each run that failed or was cancelled")
    .option(...order)
    .option(...follow)
    .option("--json", "as without it")
    .action(async (id, flags) => report(await (await load()).errors(id, flags)));
}

function addActs(batch: Command, report: Report): void {
  const load = () => import("./commands/batch-acts.ts");
  const quiet = ["--json", "print JSON lines: each run that could not be changed, and a summary"] as const;
  batch
    .command("retry <batch>")
    .description("put its failed runs back to work, each from its last written turn")
    .option("--failed", "the failed runs (the default)")
    .option("--cancelled", "also the cancelled runs")
    .option("-m, --model <provider/model>", "another model for the phase that failed")
    .option("--attempts <n>", "how many calls may fail in a row from here on", positive)
    .option(...quiet)
    .action(async (id, flags) => report(await (await load()).retry(id, flags)));
  batch
    .command("cancel <batch>")
    .description("end all its runs that have not ended")
    .option(...quiet)
    .action(async (id, flags) => report(await (await load()).cancel(id, flags)));
  batch
    .command("budget <batch>")
    .description(
      "set its budget, or show it; its runs wait before they go over it, and go on when it is raised",
    )
    .option("--tokens <n>", "input and output tokens of all its runs", positive)
    .option("--usd <amount>", "US dollars", amount)
    .option("--json", "print JSON")
    .action(async (id, flags) => report(await (await import("./commands/batch.ts")).budget(id, flags)));
}
