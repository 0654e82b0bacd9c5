/** The command line: names, flags, help. Commands are loaded when they are called, so that `--help` is quick. */
import { Command } from "commander";
import { atDoor } from "./at-door.ts";
import { earlyStop } from "./early-stop.ts";
import type { ExitCode } from "./exit-code.ts";
import { amount, collect, natural, port, positive } from "./flag-values.ts";
import { addBatches } from "./program-batches.ts";
import { ENVIRONMENT } from "./program-environment.ts";
import { addKeys } from "./program-keys.ts";
import { addPools, addRuns } from "./program-runs.ts";
import { chooseServer, serverOption } from "./program-server.ts";

/** Builds the program; `report` is told the exit code of the command that ran. */
export function buildProgram(version: string, report: (code: ExitCode) => void): Command {
  const program: Command = new Command("baton")
    .description("Runs LLM jobs that pass from model to model, durably.")
    .version(version)
    .option("--server <url>", "work through this HTTP API instead of on Redis (BATON_SERVER, BATON_API_KEY)")
    .hook("preAction", (_program, action) => chooseServer(program, action))
    .configureHelp({
      showGlobalOptions: true,
      visibleGlobalOptions: (command) => serverOption(program, command),
    })
    .addHelpText("after", ENVIRONMENT)
    .showHelpAfterError("(baton --help lists the commands)")
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "baton: ")) });
  addRun(program, report);
  addWorkers(program, report);
  addRuns(program, report);
  addPools(program, report);
  addBatches(program, report);
  addKeys(program, report);
  program
    .command("mcp")
    .description("an MCP server on standard input and output: an assistant hands off work to Baton's runs")
    .option("--read-only", "offer no tool that submits or changes runs")
    .action(async (flags) => report(await (await import("./commands/mcp.ts")).mcp(flags)));
  program
    .command("doctor")
    .description("what commonly goes wrong: Redis, keys, MCP servers, workers; and what to do about it")
    .option("--online", "also ask each provider for its models, with its key")
    .option("--json", "print one JSON object")
    .action(async (flags) => report(await (await import("./commands/doctor.ts")).doctor(flags)));
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
    .option("--fallback <provider/model>", "who takes over when a model fails for good", collect)
    .option("--budget-tokens <n>", "the run waits before it goes over so many tokens", positive)
    .option("--budget-usd <amount>", "the run waits before it goes over so much", amount)
    .option("--batch <id>", "the batch that the run belongs to")
    .option("--custom-id <id>", "its name in the batch; the same name again gives the same run")
    .option("--spec <file>", "a run spec as JSON; - reads standard input; flags go over it")
    .option("--idempotency-key <key>", "the same key and spec give the same run")
    .option("--detach", "print the run's id and leave")
    .option("--json", "print the result as JSON")
    .action(async (input, flags) => report(await (await import("./commands/run.ts")).run(input, flags)));
}

function addWorkers(program: Command, report: (code: ExitCode) => void): void {
  const concurrency = ["--concurrency <n>", "phases at work at once, over all its pools"] as const;
  const drain = ["--drain <seconds>", "how long phases may take to end after a signal"] as const;
  const metricsPort = ["--metrics-port <n>", "serve metrics and probes there; 0 for a free port"] as const;
  const metricsHost = ["--metrics-host <address>", "on this address (default: 127.0.0.1)"] as const;
  const apiHost = [
    "--host <address>",
    "the API's address; other machines reach it by a public one",
    "127.0.0.1",
  ] as const;
  const apiPort = ["--port <n>", "the API's port; 0 for a free one", port, 4800] as const;
  const awaitKey = [
    "--await-key",
    "start at a public address before there is a key, and refuse every request until one is made",
  ] as const;
  program
    .command("up")
    .description("everything in one process: Redis, the API, and workers for each provider that has its key")
    .option(...apiHost)
    .option(...apiPort)
    .option(...awaitKey)
    .option(
      "-m, --model <pattern>",
      "serve these models alone: an id, or a prefix with * at its end",
      collect,
    )
    .option(...concurrency, positive, 50)
    .option(...drain, natural, 20)
    .option(...metricsPort, port)
    .option(...metricsHost)
    .option("--json", "print one JSON line when ready")
    .action(async (flags) =>
      report(await atDoor(flags, async (...at) => (await import("./commands/worker.ts")).up(flags, ...at))),
    );
  program
    .command("api")
    .description(
      "the HTTP API: runs and batches for any language, and what OpenAI's and Dedalus' clients call",
    )
    .option(...apiHost)
    .option(...apiPort)
    .option(...awaitKey)
    .option("--drain <seconds>", "how long answers may take to end after a signal", natural, 20)
    .option("--json", "print one JSON line when ready")
    .action(async (flags) =>
      report(await atDoor(flags, async (...at) => (await import("./commands/api.ts")).api(flags, ...at))),
    );
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
    .option(...metricsPort, port)
    .option(...metricsHost)
    .option("--json", "print one JSON line when ready")
    .action(async (flags) => {
      using stopping = earlyStop();
      report(await (await import("./commands/worker.ts")).worker(flags, stopping));
    });
}
