/** `baton batch …`: what the runs of a batch spent, and the budget that they share. */
import { RUN_STATUSES } from "@baton/core";
import { type CommandContext, openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { table } from "../terminal.ts";

interface JsonFlag {
  readonly json?: boolean;
}

export async function status(id: string, flags: JsonFlag): Promise<ExitCode> {
  await using context = await openCommand({ quiet: flags.json === true });
  // Awaited here: the context is closed when this function returns.
  return await show(context, id, flags);
}

export async function budget(
  id: string,
  flags: JsonFlag & { readonly tokens?: number; readonly usd?: number },
): Promise<ExitCode> {
  await using context = await openCommand({ quiet: flags.json === true });
  const { tokens, usd } = flags;
  if (tokens !== undefined || usd !== undefined) {
    const { budget: before } = await context.store.producer.batch(id);
    await context.store.producer.setBatchBudget(id, {
      ...before,
      ...(tokens === undefined ? {} : { tokens }),
      ...(usd === undefined ? {} : { usd }),
    });
  }
  // Awaited here: the context is closed when this function returns.
  return await show(context, id, flags);
}

async function show(context: CommandContext, id: string, flags: JsonFlag): Promise<ExitCode> {
  const { producer, ledger } = context.store;
  const [batch, runs] = await Promise.all([producer.batch(id), ledger.countBatch(id)]);
  if (flags.json === true) {
    context.terminal.out(`${JSON.stringify({ ...batch, runs })}\n`);
    return EXIT.done;
  }
  const { tokens, usd } = batch.budget;
  const rows = [
    ...RUN_STATUSES.filter((one) => (runs[one] ?? 0) > 0).map((one) => [one, String(runs[one])]),
    ["tokens", `${batch.tokens}${tokens === undefined ? "" : ` of ${tokens}`}`],
    [
      "cost",
      `${batch.costUsd.toFixed(4)} USD${usd === undefined ? "" : ` of ${usd}`}${unpriced(batch.unpricedReplies)}`,
    ],
  ];
  context.terminal.out(table(rows));
  return EXIT.done;
}

function unpriced(replies: number): string {
  return replies === 0 ? "" : `, and ${replies} replies whose price is not known`;
}
