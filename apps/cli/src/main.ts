/** The `baton` command: one line for what went wrong, and an exit code that says what kind it was. */
import { enableCompileCache } from "node:module";
import { CommanderError } from "commander";
import { EXIT, errorLine, exitCodeOf } from "./exit-code.ts";
import { guardOutput } from "./output.ts";
import { buildProgram } from "./program.ts";
import { clean } from "./terminal.ts";

// Compiled code is kept between calls: a command is mostly the time that its modules take to load.
enableCompileCache();
guardOutput();

try {
  await buildProgram("0.1.0", (code) => {
    process.exitCode = code;
  }).parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) {
    process.exitCode = thrown.exitCode === 0 ? EXIT.done : EXIT.usage;
  } else {
    // Loaded here alone, so that the help stays quick.
    const { BatonError, toBatonError } = await import("@baton/core");
    const error = toBatonError(thrown);
    process.stderr.write(`${errorLine(error)}\n`);
    // A fault of this program is told with its place; one of an API has it in the API's log.
    if (thrown instanceof Error && !(thrown instanceof BatonError))
      process.stderr.write(`${clean(thrown.stack ?? "")}\n`);
    process.exitCode = exitCodeOf(error);
  }
}
