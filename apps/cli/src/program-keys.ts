/** The commands for the API's keys. */
import { type Command, Option } from "commander";
import type { ExitCode } from "./exit-code.ts";
import { amount, positive, scopes } from "./flag-values.ts";

type Report = (code: ExitCode) => void;

export function addKeys(program: Command, report: Report): void {
  const keys = program
    .command("keys")
    .description("keys of the API: as soon as one is made, the API asks for one");
  keys
    .command("create <name>")
    .description("make a key; it is shown once")
    .addOption(
      new Option("--scope <scopes>", "what it may do, of read, submit, operate")
        .argParser(scopes)
        .default(["read", "submit"], "read,submit"),
    )
    .option("--namespace <namespace>", "whose runs it sees and makes; absent: its own alone")
    .option("--all-namespaces", "it sees the runs of all keys, and those without one")
    .option("--rpm <n>", "requests a minute", positive)
    .option("--max-live <n>", "runs of its namespace at once that have not ended", positive)
    .option("--budget-usd <amount>", "US dollars that its namespace may spend in all", amount)
    .option("--budget-tokens <n>", "tokens that its namespace may spend in all", positive)
    .option("--expires <days>", "it ends after so many days", amount)
    .option("--json", "print one JSON object")
    .action(async (name, flags) => report(await (await import("./commands/keys.ts")).create(name, flags)));
  keys
    .command("ls")
    .description("list keys: what they may do, not what they are")
    .option("--json", "print one JSON object a line")
    .action(async (flags) => report(await (await import("./commands/keys.ts")).list(flags)));
  keys
    .command("revoke [id]")
    .description("end a key, at once in every API")
    .option("--all", "end all keys; an API on loopback asks for none again")
    .option("--json", "print one JSON object")
    .action(async (id, flags) => report(await (await import("./commands/keys.ts")).revoke(id, flags)));
}
