/**
 * The record of a run, a Redis hash, read back into core's `Run`. Its fields, all decimal or short text:
 *
 * v (4 with a namespace, else 3), status, pool, ticket, epoch, claim, phase, len (items in the log), created, updated,
 * ended, rev (of the spec), priority; attempts, turns, started, usage (of the open phase; usage is five numbers and nano-USD, `-` when a
 * price was not known), rested (milliseconds since `started` that are no time of the phase); total_turns, handoffs,
 * takeovers; crashes (takeovers since the last new item), tries (model calls that failed since then, and behind a
 * slash those that met a rate limit); not_before, deadline, reason and detail (of a wait), pausing, unfit_since,
 * missing; error_code, error_message (of the end, or of the last failed call); idem (digest of the idempotency key),
 * needs (1 when there are any), ops (the last operation ids, R1), committed (`<ticket>/<claim>` of the last commit,
 * R7); batch, custom_id; namespace; forked (`<run id> <items>`). With encryption keys, detail and error_message are
 * sealed where they are not a script's own (codec.ts).
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
import { z } from "zod";

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
  const closed = closedPhases.map(closedPhase);
  const ended = fields.ended === undefined ? {} : { endedAt: number("ended") };
  const phases: readonly Phase[] = fields.ended === undefined ? [...closed, openPhase(fields)] : closed;
  const usage = phases.reduce<Usage>((sum, phase) => addUsage(sum, phase.usage), NO_USAGE);
  const tries = parseTries(fields.tries);
  const failures = tries.failures + tries.rateLimits;
  const error = { code: fields.error_code ?? "", message: fields.error_message ?? "" };
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
    costUsd: phases.reduce<number | null>((sum, phase) => addCosts(sum, phase.costUsd), 0),
    failures,
    ...(failures > 0 && error.code !== "" ? { lastFailure: error } : {}),
    phases: withNames(phases, spec),
    ...(spec?.metadata === undefined ? {} : { metadata: spec.metadata }),
    ...(fields.batch === undefined ? {} : { batch: fields.batch }),
    ...(fields.custom_id === undefined ? {} : { customId: fields.custom_id }),
    ...(fields.namespace === undefined ? {} : { namespace: fields.namespace }),
    ...forkedFrom(fields.forked),
    ...ended,
    ...(fields.not_before === undefined ? {} : { notBefore: number("not_before") }),
    ...(fields.missing === undefined ? {} : { missing: fields.missing.split("\n") }),
    pausing: fields.pausing === "1",
    ...(fields.reason === undefined ? {} : { reason: fields.reason }),
    ...(fields.detail === undefined ? {} : { detail: fields.detail }),
    error,
  });
  if (parsed.success) return parsed.data;
  throw new BatonError("store_corrupt", `the record of ${id} cannot be read: ${parsed.error.message}`, {
    cause: parsed.error,
    fields: { runId: id },
  });
}

/** What a stretch of a run took: its tokens, and its cost by the prices of the time; null when one was not known. */
export interface PricedUsage extends Usage {
  readonly costUsd: number | null;
}

/** Failed model calls in a row. Rate limits are counted apart: they say nothing of the run. */
export interface Tries {
  readonly failures: number;
  readonly rateLimits: number;
}

export function formatTries({ failures, rateLimits }: Tries): string {
  return rateLimits === 0 ? String(failures) : `${failures}/${rateLimits}`;
}

export function parseTries(text: string | undefined): Tries {
  const [failures = 0, rateLimits = 0] = (text ?? "").split("/").map(Number);
  return { failures, rateLimits };
}

export function addCosts(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}

/** Whole numbers of it are exact, and add up in Redis. */
const NANO = 1_000_000_000;

export function nanoUsd(costUsd: number | null): string {
  return costUsd === null ? "-" : String(Math.round(costUsd * NANO));
}

/** Five numbers and the cost in one field: it keeps the hash small and is read and written in one go. */
export function formatUsage(usage: PricedUsage): string {
  return [
    usage.inputTokens,
    usage.cachedInputTokens,
    usage.cacheWriteTokens,
    usage.outputTokens,
    usage.reasoningTokens,
    nanoUsd(usage.costUsd),
  ].join(" ");
}

export function parseUsage(text: string | undefined): PricedUsage {
  const numbers = (text ?? "").split(" ");
  const cost = numbers[5];
  const [
    inputTokens = 0,
    cachedInputTokens = 0,
    cacheWriteTokens = 0,
    outputTokens = 0,
    reasoningTokens = 0,
  ] = numbers.slice(0, 5).map(Number);
  const isUnknown = cost === "-" || (cost === undefined && numbers.length > 1);
  const costUsd = isUnknown ? null : Number(cost ?? 0) / NANO;
  return { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens, costUsd };
}

const closedSchema = z.tuple([
  z.number(),
  z.string(),
  z.string(),
  z.number(),
  z.number(),
  z.number(),
  z.number(),
  z.string(),
]);

/** A closed phase, as `close_phase` in the prelude writes it. */
export function closedPhase(text: string): Phase {
  const [seq, model, status, attempts, turns, endedAt, startedAt, used] = closedSchema.parse(
    JSON.parse(text),
  );
  const { costUsd, ...usage } = parseUsage(used);
  return phaseSchema.parse({
    ...{ seq, model, status, attempts, turns, endedAt, usage, costUsd },
    ...(startedAt > 0 ? { startedAt } : {}),
  });
}

function openPhase(fields: Readonly<Record<string, string>>): Phase {
  const { costUsd, ...usage } = parseUsage(fields.usage);
  return phaseSchema.parse({
    seq: Number(fields.phase),
    model: fields.pool,
    status: fields.status,
    attempts: Number(fields.attempts),
    turns: Number(fields.turns),
    ...(Number(fields.started ?? 0) > 0 ? { startedAt: Number(fields.started) } : {}),
    usage,
    costUsd,
  });
}

function forkedFrom(text: string | undefined) {
  if (text === undefined) return {};
  const [run, items] = text.split(" ");
  return { forkedFrom: { run, items: Number(items) } };
}

/**
 * In a pipeline the phases have the names of its steps. A phase that failed is of the same step as the one that was put
 * in its place.
 */
function withNames(phases: readonly Phase[], spec: RunSpec | undefined): readonly Phase[] {
  // A fork begins with a later phase.
  let step = phases[0]?.seq ?? 0;
  return phases.map((phase) => {
    const name = spec?.phases?.[step]?.name;
    if (phase.status === "succeeded") step += 1;
    return name === undefined ? phase : { ...phase, name };
  });
}
