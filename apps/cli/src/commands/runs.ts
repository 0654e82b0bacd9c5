/** `baton runs …`, what looks at runs: list, show, watch. */
import {
  BatonError,
  RUN_STATUSES,
  type Run,
  type RunStatus,
  runSchema,
  type ToolCallPart,
  textOf,
} from "@baton/core";
import { type CommandContext, openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { showTable } from "../fit-table.ts";
import { followRun } from "../follow-run.ts";
import { clean, duration, shorten, sinceText } from "../terminal.ts";
import { parseRunId } from "../typed-ids.ts";

interface JsonFlag {
  readonly json?: boolean;
}

export async function list(
  flags: JsonFlag & { readonly status?: string; readonly batch?: string; readonly limit: number },
): Promise<ExitCode> {
  const status = RUN_STATUSES.find((one) => one === flags.status);
  if (flags.status !== undefined && status === undefined) {
    throw new BatonError(
      "invalid_spec",
      `there is no status ${flags.status}: use ${RUN_STATUSES.join(", ")}`,
    );
  }
  await using context = await openCommand({ quiet: flags.json === true });
  const runs = await newestRuns(context, { ...flags, status });
  if (flags.json === true) {
    // By its schema its fields have one order, wherever it was read.
    for (const run of runs) context.terminal.out(`${JSON.stringify(runSchema.parse(run))}\n`);
    return EXIT.done;
  }
  if (runs.length === 0) {
    context.terminal.err("no runs\n");
    return EXIT.done;
  }
  const rows = runs.map((run) => [
    run.id,
    run.status === "waiting" ? `waiting (${run.reason})` : run.status,
    context.labelOf(run.model),
    String(run.phases.length),
    String(run.turns),
    sinceText(context.terminal, run.createdAt),
  ]);
  const head = ["run", "status", "model", "phases", "turns", "created"];
  showTable(context.terminal, [head, ...rows], { spare: ["turns", "phases", "created"], cut: "model" });
  return EXIT.done;
}

export async function show(id: string, flags: JsonFlag): Promise<ExitCode> {
  const runId = parseRunId(id);
  await using context = await openCommand({ quiet: flags.json === true });
  const { run } = await context.runs.get(runId);
  const result = await context.runs.resultNow(runId);
  const notice = await context.runs.notice(run);
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
  showTable(
    context.terminal,
    [
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
    ],
    { spare: ["attempts", "turns"], cut: "model" },
  );
  for (const item of await context.runs.conversation(runId)) {
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
  const { spec } = await context.runs.get(runId);
  return await followRun(context, runId, spec, { json: flags.json === true });
}

function argumentsOf(call: ToolCallPart): string {
  return call.arguments.kind === "object" ? JSON.stringify(call.arguments.value) : call.arguments.raw;
}

/** A page may be short and there may still be more: pages are read until there are enough. */
async function newestRuns(
  { runs: service }: CommandContext,
  { status, limit, batch }: { readonly status?: RunStatus; readonly limit: number; readonly batch?: string },
): Promise<readonly Run[]> {
  const runs: Run[] = [];
  let cursor: string | undefined;
  do {
    const page = await service.page({ status, batch, limit: limit - runs.length, cursor });
    runs.push(...page.runs);
    cursor = page.cursor;
  } while (cursor !== undefined && runs.length < limit);
  return runs;
}
