/** `baton runs …`, what looks at runs: list, show, watch. */
import { BatonError, RUN_STATUSES, type Run, type RunStatus, type ToolCallPart, textOf } from "@baton/core";
import { isServing, listWorkers, newestFirst } from "@baton/store";
import { type CommandContext, openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { clean, duration, shorten, table } from "../terminal.ts";
import { parseRunId } from "../typed-ids.ts";
import { heldText } from "./pools-list.ts";

interface JsonFlag {
  readonly json?: boolean;
}

export async function list(
  flags: JsonFlag & { readonly status?: string; readonly batch?: string; readonly limit: number },
): Promise<ExitCode> {
  const wanted = RUN_STATUSES.filter((status) => flags.status === undefined || status === flags.status);
  if (wanted.length === 0) {
    throw new BatonError(
      "invalid_spec",
      `there is no status ${flags.status}: use ${RUN_STATUSES.join(", ")}`,
    );
  }
  await using context = await openCommand({ quiet: flags.json === true });
  const runs = await newestRuns(context, wanted, flags);
  if (flags.json === true) {
    for (const run of runs) context.terminal.out(`${JSON.stringify(run)}\n`);
    return EXIT.done;
  }
  if (runs.length === 0) context.terminal.err("no runs\n");
  const rows = runs.map((run) => [
    run.id,
    run.status === "waiting" ? `waiting (${run.reason})` : run.status,
    context.labelOf(run.model),
    `${run.phases.length} phases, ${run.turns} turns`,
    new Date(run.createdAt).toISOString().slice(0, 19).replace("T", " "),
  ]);
  context.terminal.out(table(rows));
  return EXIT.done;
}

export async function show(id: string, flags: JsonFlag): Promise<ExitCode> {
  const runId = parseRunId(id);
  await using context = await openCommand({ quiet: flags.json === true });
  const { run } = await context.store.producer.get(runId);
  const result = await context.store.producer.resultNow(runId);
  const notice = await noticeOf(context, run);
  if (flags.json === true) {
    context.terminal.out(`${JSON.stringify({ ...result, ...(notice === undefined ? {} : { notice }) })}\n`);
    return EXIT.done;
  }
  const { out } = context.terminal;
  out(`${run.id}  ${run.status}${run.status === "waiting" ? ` (${run.reason})` : ""}\n`);
  if (result.error !== undefined) out(`error    ${result.error.code}: ${clean(result.error.message)}\n`);
  if (notice !== undefined) out(`note     ${clean(notice)}\n`);
  if (run.batch !== undefined) out(`batch    ${run.batch} / ${clean(run.customId ?? "")}\n`);
  if (run.forkedFrom !== undefined)
    out(`forked   from ${run.forkedFrom.run}, its first ${run.forkedFrom.items} items\n`);
  out(
    table([
      ["phase", "model", "status", "attempts", "turns", "tokens in/out", "USD", "time"],
      ...run.phases.map((phase) => [
        clean(phase.name ?? "") || String(phase.seq),
        context.labelOf(phase.model),
        phase.status,
        String(phase.attempts),
        String(phase.turns),
        `${phase.usage.inputTokens}/${phase.usage.outputTokens}`,
        phase.costUsd === null ? "?" : phase.costUsd.toFixed(4),
        phase.startedAt === undefined ? "" : duration((phase.endedAt ?? Date.now()) - phase.startedAt),
      ]),
    ]),
  );
  for (const item of await context.store.producer.conversation(runId)) {
    // The number in front is the item's place: where a fork can be made.
    const place = context.terminal.style("dim", `[${item.seq}] `);
    for (const part of item.parts) {
      const who = item.origin?.model ?? item.role;
      if (part.type === "tool_call")
        out(`${place}${who}: ⚙ ${clean(part.name)} ${shorten(argumentsOf(part), 100)}\n`);
      if (part.type === "handoff")
        out(`${place}${clean(`${part.from} → ${part.to}`)}: ${shorten(part.reason, 100)}\n`);
      if (part.type === "record") out(`${place}${part.act}: ${shorten(JSON.stringify(part.detail), 120)}\n`);
    }
    if (textOf(item) !== "") out(`${place}${item.origin?.model ?? item.role}: ${clean(textOf(item))}\n`);
  }
  return EXIT.done;
}

export async function watch(id: string, flags: JsonFlag): Promise<ExitCode> {
  const runId = parseRunId(id);
  await using context = await openCommand({ quiet: flags.json === true });
  const { spec } = await context.store.producer.get(runId);
  // Loaded here: it can serve models, and that loads much.
  const { followRun } = await import("../follow-run.ts");
  return await followRun(context, runId, spec, { json: flags.json === true });
}

function argumentsOf(call: ToolCallPart): string {
  return call.arguments.kind === "object" ? JSON.stringify(call.arguments.value) : call.arguments.raw;
}

async function newestRuns(
  context: CommandContext,
  statuses: readonly RunStatus[],
  { limit, batch }: { readonly limit: number; readonly batch?: string | undefined },
): Promise<readonly Run[]> {
  const { ledger } = context.store;
  const ids = await Promise.all(statuses.map((status) => ledger.list(status, { limit, batch })));
  const newest = ids.flat().sort(newestFirst).slice(0, limit);
  const found = await Promise.all(newest.map((id) => ledger.read(id)));
  return found.flatMap((one) => (one === undefined ? [] : [one.run]));
}

/** Why a run does not move, when that can be told, and what helps. */
async function noticeOf(context: CommandContext, run: Run): Promise<string | undefined> {
  if (run.status === "waiting") return waitNotice(run);
  if (run.status !== "queued" && run.status !== "running") return undefined;
  const { connection, ledger } = context.store;
  const [workers, holds] = await Promise.all([listWorkers(connection), ledger.holds()]);
  const held = heldText(holds.get(run.model));
  const heldNotice = held === undefined ? undefined : `the pool ${run.model} is ${held}`;
  if (!workers.some((worker) => isServing(worker, run.model))) {
    const notices = [
      `no live worker serves ${run.model}: start one with \`baton worker -m ${run.model}\``,
      heldNotice,
    ];
    return notices.filter((notice) => notice !== undefined).join("; ");
  }
  if (run.status === "running") return undefined;
  if (run.missing !== undefined)
    return `no worker of ${run.model} has what it needs: ${run.missing.join(", ")}`;
  if (heldNotice !== undefined) return heldNotice;
  if (run.notBefore === undefined) return undefined;
  const failure =
    run.lastFailure === undefined ? "" : `, after ${run.failures} failed calls: ${run.lastFailure.message}`;
  return `not before ${new Date(run.notBefore).toISOString()}${failure}`;
}

function waitNotice(run: Extract<Run, { status: "waiting" }>): string {
  switch (run.reason) {
    case "approval":
      return `waits for ${run.detail ?? "a person's word"}: \`baton runs approve ${run.id}\`, or reject`;
    case "budget":
      return run.detail ?? "its budget is spent";
    case "client_tools":
      return "waits for results of its caller's own tools";
    case "paused":
      return `paused: \`baton runs resume ${run.id}\``;
  }
}
