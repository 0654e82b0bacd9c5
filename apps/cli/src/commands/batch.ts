/** `baton batch ls | status | budget`: what batches there are, what their runs do and spent, what they may spend. */
import { BatonError, type Budget } from "@baton/core";
import { type BatchStatus, wireBatch } from "@baton/producer";
import { batchNotes, budgetText, costText, runsText } from "../batch-view.ts";
import { type CommandContext, openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { showTable } from "../fit-table.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { unlessForbidden } from "../may-look.ts";
import { count, counted, sinceText, table } from "../terminal.ts";

interface JsonFlag {
  readonly json?: boolean;
}

export async function list(flags: JsonFlag & { readonly limit: number }): Promise<ExitCode> {
  await using context = await openCommand({ quiet: flags.json === true });
  const { terminal, runs } = context;
  const found: BatchStatus[] = [];
  for await (const batch of runs.batches()) {
    if (found.length === flags.limit) break;
    if (flags.json === true) terminal.out(`${JSON.stringify(wireBatch(batch))}\n`);
    found.push(batch);
  }
  if (flags.json === true) return EXIT.done;
  if (found.length === 0) {
    terminal.err("no batches yet: `baton batch submit FILE` makes one\n");
    return EXIT.done;
  }
  const rows = found.map((batch) => [
    batch.id,
    batch.createdAt === undefined ? "" : sinceText(terminal, batch.createdAt),
    wireBatch(batch).status,
    count(batch.total),
    runsText(batch),
  ]);
  showTable(terminal, [["batch", "created", "status", "runs", ""], ...rows], { remarks: true });
  return EXIT.done;
}

export async function status(id: string, flags: JsonFlag): Promise<ExitCode> {
  await using context = await openCommand({ quiet: flags.json === true });
  // Awaited here: the context is closed when this function returns.
  return await show(context, await statusOf(context, id), flags);
}

export async function budget(
  id: string,
  flags: JsonFlag & { readonly tokens?: number; readonly usd?: number },
): Promise<ExitCode> {
  await using context = await openCommand({ quiet: flags.json === true });
  const { tokens, usd } = flags;
  const isSet = tokens !== undefined || usd !== undefined;
  if (isSet) {
    using interrupt = listenForInterrupt();
    const change = { budget: { tokens, usd } };
    let resumed = 0;
    for await (const { error } of context.runs.changeBatch(id, change, interrupt.signal)) {
      if (error === undefined) resumed += 1;
    }
    if (resumed > 0)
      context.terminal.err(
        `${counted(resumed, "run")} that waited for it ${resumed === 1 ? "goes" : "go"} on\n`,
      );
  }
  const look = statusOf(context, id);
  const batch = await (isSet ? look.catch(unlessForbidden) : look);
  return batch === undefined ? told(context, id, { tokens, usd }, flags) : await show(context, batch, flags);
}

/** What was set, where the key may not look at what the batch has now. */
function told({ terminal }: CommandContext, id: string, { tokens, usd }: Budget, flags: JsonFlag): ExitCode {
  const set = [
    ...(tokens === undefined ? [] : [counted(tokens, "token")]),
    ...(usd === undefined ? [] : [`${usd} USD`]),
  ];
  terminal.out(
    flags.json === true
      ? `${JSON.stringify({ batch: id, set: { tokens, usd } })}\n`
      : `${id}: ${set.join(" and ")} at most\n`,
  );
  return EXIT.done;
}

async function show(context: CommandContext, batch: BatchStatus, flags: JsonFlag): Promise<ExitCode> {
  const { terminal } = context;
  if (flags.json === true) {
    terminal.out(`${JSON.stringify(wireBatch(batch))}\n`);
    return EXIT.done;
  }
  const { runs } = batch;
  const rows = [
    ["batch", batch.id],
    ["status", wireBatch(batch).status],
    ...(batch.createdAt === undefined ? [] : [["created", new Date(batch.createdAt).toISOString()]]),
    ["runs", `${count(batch.total)}${batch.lines === undefined ? "" : ` of ${count(batch.lines)} lines`}`],
    ...Object.entries(runs)
      .filter(([, some]) => some > 0)
      .map(([name, some]) => [`  ${name}`, count(some)]),
    ...[...batch.pools].map(([pool, some], at) => [
      at === 0 ? "pools" : "",
      `${context.labelOf(pool)}: ${count(some)} queued or running`,
    ]),
    ...(batch.weight === 1 ? [] : [["weight", String(batch.weight)]]),
    ["tokens", `${count(batch.tokens)}${budgetText(batch.budget.tokens)}`],
    ["cost", `${costText(batch)}${budgetText(batch.budget.usd)}`],
  ];
  terminal.out(table(rows));
  for (const note of await batchNotes(context, batch)) terminal.err(`${note}\n`);
  return EXIT.done;
}

/** A batch that has a budget and no run yet is there, too. */
async function statusOf({ runs }: CommandContext, id: string): Promise<BatchStatus> {
  try {
    return await runs.batchStatus(id);
  } catch (error) {
    if (!(error instanceof BatonError) || error.code !== "not_found") throw error;
    const batch = await runs.batch(id);
    if (batch.budget.tokens === undefined && batch.budget.usd === undefined) throw error;
    const none = { queued: 0, running: 0, waiting: 0, succeeded: 0, failed: 0, cancelled: 0 };
    return { ...batch, runs: none, total: 0, pools: new Map(), isOver: false };
  }
}
