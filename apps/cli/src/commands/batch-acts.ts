/** `baton batch retry | cancel`: acts on all runs of a batch that call for it; called again they go on with what is left. */
import type { BatonError } from "@baton/core";
import type { Done } from "@baton/producer";
import { type CommandContext, openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { StatusLine } from "../status-line.ts";
import { clean, count, counted } from "../terminal.ts";
import { parseModel } from "../typed-ids.ts";

interface JsonFlag {
  readonly json?: boolean;
}

const REFUSALS_SHOWN_MAX = 20;

export function retry(
  id: string,
  flags: JsonFlag & {
    readonly failed?: boolean;
    readonly cancelled?: boolean;
    readonly model?: string;
    readonly attempts?: number;
  },
): Promise<ExitCode> {
  const model = flags.model === undefined ? undefined : parseModel(flags.model);
  const { cancelled, attempts } = flags;
  return act(id, "retried", flags, ({ runs }, signal) =>
    runs.retryBatch(id, { model, cancelled, attempts }, signal),
  );
}

export function cancel(id: string, flags: JsonFlag): Promise<ExitCode> {
  return act(id, "cancelled", flags, ({ runs }, signal) => runs.cancelBatch(id, signal));
}

async function act(
  id: string,
  did: "retried" | "cancelled",
  flags: JsonFlag,
  start: (context: CommandContext, signal: AbortSignal) => AsyncIterable<Done>,
): Promise<ExitCode> {
  using interrupt = listenForInterrupt();
  await using context = await openCommand({ quiet: flags.json === true });
  using line = new StatusLine();
  const { out, err } = context.terminal;
  const counts = { done: 0, refused: 0 };
  for await (const { id: run, error } of start(context, interrupt.signal)) {
    if (error === undefined) counts.done += 1;
    else {
      counts.refused += 1;
      line.clear();
      if (flags.json === true) out(`${JSON.stringify({ id: run, error: wireError(error) })}\n`);
      else if (counts.refused <= REFUSALS_SHOWN_MAX) err(`baton: ${clean(error.message)}\n`);
    }
    line.update(() => `${counted(counts.done, "run")} ${did}`);
  }
  line.clear();
  const { done, refused } = counts;
  const isWhole = !interrupt.signal.aborted;
  if (flags.json === true) out(`${JSON.stringify({ batch: id, [did]: done, refused, complete: isWhole })}\n`);
  else out(`${counted(done, "run")} ${did}${refused === 0 ? "" : `, ${count(refused)} not`}\n`);
  if (!isWhole) err("baton: interrupted: the same command goes on with what is left\n");
  return refused === 0 && isWhole ? EXIT.done : EXIT.runFailed;
}

function wireError({ code, message }: BatonError): { readonly code: string; readonly message: string } {
  return { code, message };
}
