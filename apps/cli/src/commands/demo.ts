/** `baton demo`: runs the demo app in a process of its own, as `npm run demo` does. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { EXIT, type ExitCode } from "../exit-code.ts";

export async function demo(flags: { readonly json?: boolean }): Promise<ExitCode> {
  const script = fileURLToPath(new URL("../../../demo/src/main.ts", import.meta.url));
  const child = spawn(process.execPath, [script, ...(flags.json === true ? ["--json"] : [])], {
    stdio: "inherit",
  });
  const [code] = await once(child, "exit");
  return code === 0 ? EXIT.done : EXIT.runFailed;
}
