/** The commands that look at runs and pools, and steer them. */
import type { Command } from "commander";
import type { ExitCode } from "./exit-code.ts";
import { amount, collect, natural, positive, positiveOrNone } from "./flag-values.ts";

type Report = (code: ExitCode) => void;

const JSON_LINES = ["--json", "print JSON lines"] as const;

export function addRuns(program: Command, report: Report): void {
  const runs = program.command("runs").description("look at runs and steer them");
  const load = () => import("./commands/runs.ts");
  runs
    .command("ls")
    .description("list runs, newest first")
    .option("--status <status>", "only of this status")
    .option("--batch <id>", "only of this batch")
    .option("--limit <n>", "at most so many", positive, 20)
    .option(...JSON_LINES)
    .action(async (flags) => report(await (await load()).list(flags)));
  runs
    .command("show <run>")
    .description("one run: phases, usage, cost, conversation")
    .option("--json", "print the result as JSON")
    .action(async (id, flags) => report(await (await load()).show(id, flags)));
  runs
    .command("watch <run>")
    .description("follow a run to its end; serve its models here if nobody does")
    .option("--json", "print the result as JSON at the end")
    .action(async (id, flags) => report(await (await load()).watch(id, flags)));
  addRetries(runs, report);
  addStops(runs, report);
  addApprovals(runs, report);
}

function addRetries(runs: Command, report: Report): void {
  const load = () => import("./commands/runs-control.ts");
  withBudget(withFilter(runs.command("retry [run...]")))
    .description("put failed or cancelled runs back to work, from their last written turn")
    .option("--failed", "all failed runs, of the batch or pool if one is given")
    .option("-m, --model <provider/model>", "another model for the phase that failed")
    .option("--input <text>", "say this to the model before it goes on")
    .option("--attempts <n>", "how many calls may fail in a row from here on", positive)
    .option(...JSON_LINES)
    .action(async (ids, flags) => report(await (await load()).retry(ids, flags)));
  withBudget(runs.command("fork <run>"))
    .description("a new run that begins with the conversation of another one")
    .option("--at <item>", "the last item that is shared, by its number in `runs show`", natural)
    .option("-m, --model <provider/model>", "the model that goes on")
    .option("--input <text>", "say this to the model before it goes on")
    .option("--idempotency-key <key>", "the same key again gives the same run")
    .option("--json", "print JSON")
    .action(async (id, flags) => report(await (await load()).fork(id, flags)));
}

function addStops(runs: Command, report: Report): void {
  const load = () => import("./commands/runs-control.ts");
  withFilter(runs.command("cancel [run...]"))
    .description("end runs now; calls that are under way are aborted")
    .option(...JSON_LINES)
    .action(async (ids, flags) => report(await (await load()).cancel(ids, flags)));
  withFilter(runs.command("pause [run...]"))
    .description("let runs wait after their current turn")
    .option(...JSON_LINES)
    .action(async (ids, flags) => report(await (await load()).pause(ids, flags)));
  withBudget(withFilter(runs.command("resume [run...]")))
    .description("let waiting runs go on; with more budget, if that is what they wait for")
    .option(...JSON_LINES)
    .action(async (ids, flags) => report(await (await load()).resume(ids, flags)));
}

function addApprovals(runs: Command, report: Report): void {
  const load = () => import("./commands/runs-control.ts");
  withFilter(runs.command("approve [run...]"))
    .description("let the calls be made that runs wait to hear about")
    .option("--call <id>", "only this call", collect)
    .option(...JSON_LINES)
    .action(async (ids, flags) => report(await (await load()).approve(ids, flags)));
  withFilter(runs.command("reject [run...]"))
    .description("refuse the calls that runs wait to hear about; the model is told")
    .option("--call <id>", "only this call", collect)
    .option("--why <text>", "told to the model")
    .option(...JSON_LINES)
    .action(async (ids, flags) => report(await (await load()).reject(ids, flags)));
}

export function addPools(program: Command, report: Report): void {
  const pools = program.command("pools").description("look at the pools of models, and steer them");
  const load = () => import("./commands/pools.ts");
  pools
    .command("ls")
    .description("every pool: what waits, for how long, who serves it, what bounds and holds it")
    .option("--workers", "the live workers instead: where, what they serve, places, phases at work")
    .option(...JSON_LINES)
    .action(async (flags) => report(await (await load()).list(flags)));
  pools
    .command("set <provider/model>")
    .description(
      "set what bounds a pool, at once and for all workers; `none` clears a setting; alone, it shows them",
    )
    .option(
      "--concurrency <n>",
      "its places in each worker process; goes over the configuration",
      positiveOrNone,
    )
    .option("--max-active <n>", "its phases at work at once in all processes together", positiveOrNone)
    .option("--rpm <n>", "model calls a minute", positiveOrNone)
    .option("--tpm <n>", "tokens a minute", positiveOrNone)
    .option("--json", "print JSON")
    .action(async (model, flags) => report(await (await load()).set(model, flags)));
  pools
    .command("pause <provider/model...>")
    .description("no phase starts, and those at work stop after their turn; * at the end stands for any")
    .option(...JSON_LINES)
    .action(async (models, flags) => report(await (await load()).pause(models, flags)));
  pools
    .command("resume <provider/model...>")
    .description("let paused pools go on")
    .option(...JSON_LINES)
    .action(async (models, flags) => report(await (await load()).resume(models, flags)));
}

/** Instead of ids: all runs that match. */
function withFilter(command: Command): Command {
  return command
    .option("--status <status>", "all runs of this status")
    .option("--batch <id>", "of this batch")
    .option("--pool <model>", "in this pool; * at the end stands for any")
    .option("--error <code>", "failed with this code")
    .option("--reason <reason>", "waiting for this")
    .option("--limit <n>", "at most so many, newest first", positive);
}

function withBudget(command: Command): Command {
  return command
    .option("--budget-tokens <n>", "a new bound of the run's tokens", positive)
    .option("--budget-usd <amount>", "a new bound of the run's cost", amount);
}
