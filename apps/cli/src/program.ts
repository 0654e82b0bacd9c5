/** The command line: names, flags, help. Commands are loaded when they are called, so that `--help` is quick. */
import { Command, InvalidArgumentError } from "commander";
import type { ExitCode } from "./exit-code.ts";

/** Builds the program; `report` is told the exit code of the command that ran. */
export function buildProgram(version: string, report: (code: ExitCode) => void): Command {
  const program = new Command("baton")
    .description("Runs LLM jobs that pass from model to model, durably.")
    .version(version)
    .showHelpAfterError("(baton --help lists the commands)")
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "baton: ")) });
  addRun(program, report);
  addWorkers(program, report);
  addRuns(program, report);
  program
    .command("demo")
    .description(
      "the offline demo: simulated models, a real MCP server, a killed worker; no keys, no network",
    )
    .option("--json", "print the results as JSON lines")
    .action(async (flags) => report(await (await import("./commands/demo.ts")).demo(flags)));
  return program;
}

function addRun(program: Command, report: (code: ExitCode) => void): void {
  program
    .command("run")
    .description("submit a run and follow it")
    .argument("[input]", "what to do")
    .option(
      "-m, --model <provider/model>",
      "a model; the first coordinates, further ones can be handed to",
      collect,
    )
    .option("--mcp <server>", "an MCP server: a slug of the configuration or an https URL", collect)
    .option("--tool <name>", "a function tool of the configuration", collect)
    .option("--instructions <text>", "system instructions")
    .option("--max-turns <n>", "model calls at most", positive)
    .option("--max-handoffs <n>", "handoffs at most", natural)
    .option("--timeout <seconds>", "the run fails after so long", positive)
    .option("--policy <name>", "a policy of the configuration")
    .option("--spec <file>", "a run spec as JSON; - reads standard input; flags go over it")
    .option("--idempotency-key <key>", "the same key and spec give the same run")
    .option("--detach", "print the run's id and leave")
    .option("--json", "print the result as JSON")
    .action(async (input, flags) => report(await (await import("./commands/run.ts")).run(input, flags)));
}

function addWorkers(program: Command, report: (code: ExitCode) => void): void {
  const concurrency = ["--concurrency <n>", "phases at once in each pool"] as const;
  const drain = ["--drain <seconds>", "how long phases may take to end after a signal"] as const;
  program
    .command("up")
    .description("everything in one process: Redis, and workers for each provider that has its key")
    .option(
      "-m, --model <pattern>",
      "serve these models alone: an id, or a prefix with * at its end",
      collect,
    )
    .option(...concurrency, positive, 50)
    .option(...drain, natural, 20)
    .option("--json", "print one JSON line when ready")
    .action(async (flags) => report(await (await import("./commands/worker.ts")).worker(flags)));
  program
    .command("worker")
    .description("a worker for the pools of some models")
    .requiredOption(
      "-m, --model <pattern>",
      "an id, or a prefix with * at its end, such as 'openai/*'",
      collect,
    )
    .option(...concurrency, positive, 50)
    .option(...drain, natural, 20)
    .option("--json", "print one JSON line when ready")
    .action(async (flags) => report(await (await import("./commands/worker.ts")).worker(flags)));
}

function addRuns(program: Command, report: (code: ExitCode) => void): void {
  const runs = program.command("runs").description("look at runs and steer them");
  const load = () => import("./commands/runs.ts");
  runs
    .command("ls")
    .description("list runs, newest first")
    .option("--status <status>", "only of this status")
    .option("--limit <n>", "at most so many", positive, 20)
    .option("--json", "print JSON lines")
    .action(async (flags) => report(await (await load()).list(flags)));
  runs
    .command("show <run>")
    .description("one run: phases, usage, conversation")
    .option("--json", "print the result as JSON")
    .action(async (id, flags) => report(await (await load()).show(id, flags)));
  runs
    .command("watch <run>")
    .description("follow a run to its end; serve its models here if nobody does")
    .option("--json", "print the result as JSON at the end")
    .action(async (id, flags) => report(await (await load()).watch(id, flags)));
  runs
    .command("retry <run...>")
    .description("put failed or cancelled runs back to work, from their last written turn")
    .option("-m, --model <provider/model>", "another model for the phase that failed")
    .option("--input <text>", "say this to the model before it goes on")
    .option("--json", "print JSON lines")
    .action(async (ids, flags) => report(await (await load()).retry(ids, flags)));
  for (const [name, description] of [
    ["cancel", "end runs now"],
    ["pause", "let runs wait after their current turn"],
    ["resume", "let paused runs go on"],
  ] as const) {
    runs
      .command(`${name} <run...>`)
      .description(description)
      .option("--json", "print JSON lines")
      .action(async (ids, flags) => report(await (await load())[name](ids, flags)));
  }
}

function collect(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value];
}

function positive(value: string): number {
  return wholeNumber(value, 1);
}

function natural(value: string): number {
  return wholeNumber(value, 0);
}

function wholeNumber(value: string, least: number): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < least)
    throw new InvalidArgumentError(`use a whole number from ${least}.`);
  return number;
}
