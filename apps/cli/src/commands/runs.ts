/** `baton runs …`: list, show, watch, and what changes a run: retry, cancel, pause, resume. */
import {
  BatonError,
  matchesModelPattern,
  modelIdSchema,
  RUN_STATUSES,
  type Run,
  type RunId,
  type RunStatus,
  runIdSchema,
  type ToolCallPart,
  textOf,
} from "@baton/core";
import { listWorkers } from "@baton/store";
import { type CommandContext, openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { clean, duration, shorten, table } from "../terminal.ts";

interface JsonFlag {
  readonly json?: boolean;
}

export async function list(
  flags: JsonFlag & { readonly status?: string; readonly limit: number },
): Promise<ExitCode> {
  const wanted = RUN_STATUSES.filter((status) => flags.status === undefined || status === flags.status);
  if (wanted.length === 0) {
    throw new BatonError(
      "invalid_spec",
      `there is no status ${flags.status}: use ${RUN_STATUSES.join(", ")}`,
    );
  }
  await using context = await openCommand({ quiet: flags.json === true });
  const runs = await newestRuns(context, wanted, flags.limit);
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
  const remark = await remarkOf(context, run);
  if (flags.json === true) {
    context.terminal.out(`${JSON.stringify({ ...result, ...(remark === undefined ? {} : { remark }) })}\n`);
    return EXIT.done;
  }
  const { out } = context.terminal;
  out(`${run.id}  ${run.status}${run.status === "waiting" ? ` (${run.reason})` : ""}\n`);
  if (result.error !== undefined) out(`error    ${result.error.code}: ${clean(result.error.message)}\n`);
  if (remark !== undefined) out(`note     ${remark}\n`);
  out(
    table([
      ["phase", "model", "status", "attempts", "turns", "tokens in/out", "time"],
      ...run.phases.map((phase) => [
        phase.name ?? String(phase.seq),
        context.labelOf(phase.model),
        phase.status,
        String(phase.attempts),
        String(phase.turns),
        `${phase.usage.inputTokens}/${phase.usage.outputTokens}`,
        phase.startedAt === undefined ? "" : duration((phase.endedAt ?? Date.now()) - phase.startedAt),
      ]),
    ]),
  );
  for (const item of await context.store.producer.conversation(runId)) {
    for (const part of item.parts) {
      const who = item.origin?.model ?? item.role;
      if (part.type === "tool_call")
        out(`${who}: ⚙ ${clean(part.name)} ${shorten(argumentsOf(part), 100)}\n`);
      if (part.type === "handoff") out(`${part.from} → ${part.to}: ${shorten(part.reason, 100)}\n`);
      if (part.type === "record") out(`${part.act}: ${shorten(JSON.stringify(part.detail), 120)}\n`);
    }
    if (textOf(item) !== "") out(`${item.origin?.model ?? item.role}: ${clean(textOf(item))}\n`);
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

export async function retry(
  ids: readonly string[],
  flags: JsonFlag & { readonly model?: string; readonly input?: string },
): Promise<ExitCode> {
  const model = flags.model === undefined ? undefined : modelIdSchema.safeParse(flags.model);
  if (model?.success === false)
    throw new BatonError("invalid_spec", model.error.issues[0]?.message ?? "bad model");
  return control(ids, "retried", flags, (context, id) =>
    context.store.producer.retry(id, { model: model?.data, input: flags.input }),
  );
}

export function cancel(ids: readonly string[], flags: JsonFlag): Promise<ExitCode> {
  return control(ids, "cancelled", flags, (context, id) => context.store.producer.cancel(id));
}

export function pause(ids: readonly string[], flags: JsonFlag): Promise<ExitCode> {
  return control(ids, "paused", flags, (context, id) => context.store.producer.pause(id));
}

export function resume(ids: readonly string[], flags: JsonFlag): Promise<ExitCode> {
  return control(ids, "resumed", flags, (context, id) => context.store.producer.resume(id));
}

function argumentsOf(call: ToolCallPart): string {
  return call.arguments.kind === "object" ? JSON.stringify(call.arguments.value) : call.arguments.raw;
}

async function control(
  ids: readonly string[],
  did: string,
  flags: JsonFlag,
  act: (context: CommandContext, id: RunId) => Promise<void>,
): Promise<ExitCode> {
  const runIds = ids.map(parseRunId);
  await using context = await openCommand({ quiet: flags.json === true });
  for (const id of runIds) {
    await act(context, id);
    context.terminal.out(flags.json === true ? `${JSON.stringify({ id, did })}\n` : `${id} ${did}\n`);
  }
  return EXIT.done;
}

async function newestRuns(
  context: CommandContext,
  statuses: readonly RunStatus[],
  limit: number,
): Promise<readonly Run[]> {
  const { ledger } = context.store;
  const ids = await Promise.all(statuses.map((status) => ledger.list(status, { limit })));
  // A ULID begins with the time: the ids in reverse order are the runs, newest first.
  const newest = ids.flat().sort().reverse().slice(0, limit);
  const found = await Promise.all(newest.map((id) => ledger.read(id)));
  return found.flatMap((one) => (one === undefined ? [] : [one.run]));
}

/** Why a queued run does not move, when that can be told. */
async function remarkOf(context: CommandContext, run: Run): Promise<string | undefined> {
  if (run.status !== "queued") return undefined;
  if (run.missing !== undefined)
    return `no worker of ${run.model} has what it needs: ${run.missing.join(", ")}`;
  const workers = await listWorkers(context.store.connection);
  const served = workers.some((worker) =>
    worker.patterns.some((pattern) => matchesModelPattern(pattern, run.model)),
  );
  if (!served) return `no live worker serves ${run.model}: start one with \`baton worker -m ${run.model}\``;
  return run.notBefore === undefined ? undefined : `not before ${new Date(run.notBefore).toISOString()}`;
}

function parseRunId(id: string): RunId {
  const parsed = runIdSchema.safeParse(id);
  if (parsed.success) return parsed.data;
  throw new BatonError(
    "invalid_spec",
    `${shorten(id, 60)} is no run id: ${parsed.error.issues[0]?.message ?? ""}`,
  );
}
