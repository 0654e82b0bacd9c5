/** `baton demo`: runs the demo app in a process of its own, as `npm run demo` does. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { EXIT, type ExitCode } from "../exit-code.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** A signal is the demo's to act on: it stops what it started, and only then does this process end. */
export async function demo(flags: { readonly json?: boolean }): Promise<ExitCode> {
  const script = fileURLToPath(new URL("../../../demo/src/main.ts", import.meta.url));
  const child = spawn(process.execPath, [script, ...(flags.json === true ? ["--json"] : [])], {
    stdio: "inherit",
  });
  const forward = (signal: NodeJS.Signals): void => {
    // The demo acts on the first one alone, so Ctrl-C in a terminal, which reaches both, does no harm.
    child.kill(signal);
  };
  for (const signal of SIGNALS) process.on(signal, forward);
  const [code] = await once(child, "exit");
  for (const signal of SIGNALS) process.off(signal, forward);
  if (code === EXIT.done || code === EXIT.unreachable) return code;
  return EXIT.runFailed;
}
