/**
 * `baton mcp`: an MCP server on standard input and output, for an assistant on this machine. Standard output is the
 * protocol's alone; whatever else there is to say goes to standard error.
 */
import { serveStdio } from "@baton/api/mcp";
import { VERSION } from "@baton/worker-app";
import { openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { openOutput } from "../output.ts";
import { workerLog } from "../worker-log.ts";

export interface McpFlags {
  /** Offers what looks at runs alone. */
  readonly readOnly?: boolean;
}

export async function mcp(flags: McpFlags): Promise<ExitCode> {
  await using context = await openCommand({ quiet: true });
  using interrupt = listenForInterrupt();
  const { environment } = context;
  const log = workerLog(environment, environment.variables.BATON_LOG === undefined ? "warn" : undefined);
  await serveStdio({
    runs: context.runs,
    scopes: new Set(flags.readOnly === true ? ["read"] : ["read", "submit"]),
    version: VERSION,
    stopping: AbortSignal.any([interrupt.signal, openOutput().closed]),
    onFault: (error, tool) => log.error({ err: error, tool }, "a tool failed"),
    onError: (error) => log.warn({ err: error }, "the connection"),
    input: process.stdin,
    output: process.stdout,
  });
  return EXIT.done;
}
