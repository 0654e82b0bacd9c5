/** `baton batch results | errors`: JSON lines, in the order of the file or in that of the ends. */
import { BatonError, type TerminalStatus } from "@baton/core";
import type { RunService } from "@baton/producer";
import { openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { keepMemoryFlat } from "../flat-memory.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { openOutput } from "../output.ts";

interface OrderFlags {
  readonly asFinished?: boolean;
  readonly follow?: boolean;
}

const ENDED = ["succeeded", "failed", "cancelled"] as const;

export function results(
  id: string,
  flags: OrderFlags & { readonly status?: readonly string[] },
): Promise<ExitCode> {
  const statuses = flags.status?.map(parseStatus);
  return print(flags, (runs, options, signal) => runs.batchResults(id, { ...options, statuses }, signal));
}

export function errors(id: string, flags: OrderFlags): Promise<ExitCode> {
  return print(flags, (runs, options, signal) => runs.batchErrors(id, options, signal));
}

interface Order {
  readonly order: "input" | "finished";
  readonly follow: boolean;
}

async function print(
  { asFinished, follow }: OrderFlags,
  linesOf: (runs: RunService, order: Order, signal: AbortSignal) => AsyncIterable<unknown>,
): Promise<ExitCode> {
  if (follow === true && asFinished !== true) {
    throw new BatonError(
      "invalid_spec",
      "--follow goes with --as-finished: the order of the lines is known at the end",
    );
  }
  keepMemoryFlat();
  using interrupt = listenForInterrupt();
  await using context = await openCommand({ quiet: true });
  const output = openOutput();
  const signal = AbortSignal.any([interrupt.signal, output.closed]);
  const order = { order: asFinished === true ? "finished" : "input", follow: follow === true } as const;
  for await (const line of linesOf(context.runs, order, signal)) {
    if (signal.aborted) break;
    await output.line(line);
  }
  return interrupt.signal.aborted ? EXIT.runFailed : EXIT.done;
}

function parseStatus(status: string): TerminalStatus {
  const known = ENDED.find((one) => one === status);
  if (known !== undefined) return known;
  throw new BatonError("invalid_spec", `--status is ${ENDED.join(", ")}, not ${status}`);
}
