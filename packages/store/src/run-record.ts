/**
 * The record of a run, a Redis hash, read back into core's `Run`. Its fields, all decimal or short text:
 *
 * v, status, pool, ticket, epoch, claim, phase, len (items in the log), created, updated, ended, rev (of the
 * spec), priority; attempts, turns, started, usage (of the open phase; usage is five numbers); total_turns,
 * handoffs, takeovers; crashes (takeovers since the last new item), tries (failed model calls since then);
 * not_before, deadline, reason, pausing, unfit_since, missing, error_code, error_message; idem (digest of the
 * idempotency key), needs (1 when there are any), ops (the last operation ids, R1), committed (`<ticket>/<claim>` of the last commit, R7).
 */
import {
  addUsage,
  BatonError,
  NO_USAGE,
  type Phase,
  phaseSchema,
  type Run,
  type RunId,
  type RunSpec,
  runSchema,
  type Usage,
} from "@baton/core";

/** Reads `HGETALL` and the closed phases; undefined when there is no such run. */
export function readRunRecord(
  id: RunId,
  record: Readonly<Record<string, string>>,
  closedPhases: readonly string[],
  spec: RunSpec | undefined,
): Run | undefined {
  // A field that is '' is absent.
  const fields = Object.fromEntries(Object.entries(record).filter(([, value]) => value !== ""));
  if (fields.status === undefined) return undefined;
  const number = (name: string): number => Number(fields[name] ?? 0);
  const closed = closedPhases.map((text) => phaseSchema.parse(JSON.parse(text)));
  const ended = fields.ended === undefined ? {} : { endedAt: number("ended") };
  const phases: readonly Phase[] = fields.ended === undefined ? [...closed, openPhase(fields)] : closed;
  const usage = phases.reduce<Usage>((sum, phase) => addUsage(sum, phase.usage), NO_USAGE);
  const parsed = runSchema.safeParse({
    id,
    status: fields.status,
    model: fields.pool,
    ticket: number("ticket"),
    epoch: number("epoch"),
    items: number("len"),
    turns: number("total_turns"),
    handoffs: number("handoffs"),
    takeovers: number("takeovers"),
    createdAt: number("created"),
    updatedAt: number("updated"),
    ...(fields.deadline === undefined ? {} : { deadline: number("deadline") }),
    usage,
    phases: phases.map((phase) => withName(phase, spec)),
    ...(spec?.metadata === undefined ? {} : { metadata: spec.metadata }),
    ...ended,
    ...(fields.not_before === undefined ? {} : { notBefore: number("not_before") }),
    ...(fields.missing === undefined ? {} : { missing: fields.missing.split("\n") }),
    pausing: fields.pausing === "1",
    ...(fields.reason === undefined ? {} : { reason: fields.reason }),
    error: { code: fields.error_code ?? "", message: fields.error_message ?? "" },
  });
  if (parsed.success) return parsed.data;
  throw new BatonError("store_corrupt", `the record of ${id} cannot be read: ${parsed.error.message}`, {
    cause: parsed.error,
    fields: { runId: id },
  });
}

/** Five numbers in one field: it keeps the hash small and is read and written in one go. */
export function formatUsage(usage: Usage): string {
  return [
    usage.inputTokens,
    usage.cachedInputTokens,
    usage.cacheWriteTokens,
    usage.outputTokens,
    usage.reasoningTokens,
  ].join(" ");
}

export function parseUsage(text: string | undefined): Usage {
  const [
    inputTokens = 0,
    cachedInputTokens = 0,
    cacheWriteTokens = 0,
    outputTokens = 0,
    reasoningTokens = 0,
  ] = (text ?? "").split(" ").map(Number);
  return { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens };
}

function openPhase(fields: Readonly<Record<string, string>>): Phase {
  return phaseSchema.parse({
    seq: Number(fields.phase),
    model: fields.pool,
    status: fields.status,
    attempts: Number(fields.attempts),
    turns: Number(fields.turns),
    ...(Number(fields.started ?? 0) > 0 ? { startedAt: Number(fields.started) } : {}),
    usage: parseUsage(fields.usage),
  });
}

/** In a pipeline the phases have the names that the spec gives them, as long as they follow its models. */
function withName(phase: Phase, spec: RunSpec | undefined): Phase {
  const planned = spec?.phases?.[phase.seq];
  return planned?.name !== undefined && planned.model === phase.model
    ? { ...phase, name: planned.name }
    : phase;
}
