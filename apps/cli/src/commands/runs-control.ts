/**
 * `baton runs …`, what changes runs: retry, fork, cancel, pause, resume, approve, reject. Runs are named by their ids,
 * or all that match a filter are meant.
 */
import { BatonError, type Budget, RUN_STATUSES, type RunId, type RunStatus, WAIT_REASONS } from "@baton/core";
import { type Done, doOne, eachRun, type RunFilter, type RunService } from "@baton/producer";
import { openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { clean } from "../terminal.ts";
import { parseModel, parseRunId } from "../typed-ids.ts";

interface JsonFlag {
  readonly json?: boolean;
}

/** Which runs are meant, when none is named. */
export interface FilterFlags extends JsonFlag {
  readonly failed?: boolean;
  readonly status?: string;
  readonly batch?: string;
  readonly pool?: string;
  readonly error?: string;
  readonly reason?: string;
  readonly limit?: number;
}

export interface BudgetFlags {
  readonly budgetTokens?: number;
  readonly budgetUsd?: number;
}

export interface RetryFlags extends FilterFlags, BudgetFlags {
  readonly model?: string;
  readonly input?: string;
  readonly attempts?: number;
}

export function retry(ids: readonly string[], flags: RetryFlags): Promise<ExitCode> {
  const options = {
    model: flags.model === undefined ? undefined : parseModel(flags.model),
    input: flags.input,
    attempts: flags.attempts,
    budget: budgetOf(flags),
  };
  return onEach(ids, "retried", flags, "failed", (runs, id) => runs.retry(id, options));
}

export function cancel(ids: readonly string[], flags: FilterFlags): Promise<ExitCode> {
  return onEach(ids, "cancelled", flags, undefined, (runs, id) => runs.cancel(id));
}

export function pause(ids: readonly string[], flags: FilterFlags): Promise<ExitCode> {
  return onEach(ids, "paused", flags, undefined, (runs, id) => runs.pause(id));
}

export function resume(ids: readonly string[], flags: FilterFlags & BudgetFlags): Promise<ExitCode> {
  const budget = budgetOf(flags);
  return onEach(ids, "resumed", flags, "waiting", (runs, id) => runs.resume(id, { budget }));
}

export function approve(
  ids: readonly string[],
  flags: FilterFlags & { readonly call?: readonly string[] },
): Promise<ExitCode> {
  return onEach(ids, "approved", flags, "approval", (runs, id) => runs.approve(id, { calls: flags.call }));
}

export function reject(
  ids: readonly string[],
  flags: FilterFlags & { readonly call?: readonly string[]; readonly why?: string },
): Promise<ExitCode> {
  return onEach(ids, "rejected", flags, "approval", (runs, id) =>
    runs.reject(id, { calls: flags.call, reason: flags.why }),
  );
}

export async function fork(
  id: string,
  flags: JsonFlag &
    BudgetFlags & {
      readonly at?: number;
      readonly model?: string;
      readonly input?: string;
      readonly idempotencyKey?: string;
    },
): Promise<ExitCode> {
  const runId = parseRunId(id);
  const model = flags.model === undefined ? undefined : parseModel(flags.model);
  await using context = await openCommand({ quiet: flags.json === true });
  const { at, input, idempotencyKey } = flags;
  const options = { at, model, input, idempotencyKey, budget: budgetOf(flags) };
  const forked = await context.runs.fork(runId, options);
  const line = flags.json === true ? JSON.stringify({ id: forked.runId, of: runId }) : forked.runId;
  context.terminal.out(`${line}\n`);
  return EXIT.done;
}

/** `otherwise` is what is meant when the flags name no status: one, or the runs that wait for approval. */
async function onEach(
  ids: readonly string[],
  did: string,
  flags: FilterFlags,
  otherwise: RunStatus | "approval" | undefined,
  act: (runs: RunService, id: RunId) => Promise<void>,
): Promise<ExitCode> {
  const runIds = ids.map(parseRunId);
  const { failed, status, batch, pool, error: code, reason } = flags;
  const isFiltered = [failed, status, batch, pool, code, reason].some((flag) => flag !== undefined);
  if (runIds.length > 0 === isFiltered) {
    throw new BatonError(
      "invalid_spec",
      "name the runs, or tell which are meant: --status, --batch, --pool, --error, --reason, --failed",
    );
  }
  const filter = isFiltered ? filterOf(flags, otherwise) : undefined;
  await using context = await openCommand({ quiet: flags.json === true });
  const { out, err } = context.terminal;
  const tell = ({ id, error }: Done): void => {
    if (flags.json === true)
      out(`${JSON.stringify(error === undefined ? { id, did } : { id, error: wordsOf(error) })}\n`);
    else if (error === undefined) out(`${id} ${did}\n`);
    else err(`baton: ${clean(error.message)}\n`);
  };
  if (filter === undefined) {
    const [only] = runIds;
    if (runIds.length === 1 && only !== undefined) {
      await act(context.runs, only);
      tell({ id: only });
      return EXIT.done;
    }
    // One that cannot be done keeps no other from its turn.
    let code: ExitCode = EXIT.done;
    for (const id of runIds) {
      const one = await doOne(id, (id) => act(context.runs, id));
      tell(one);
      if (one.error !== undefined) code = EXIT.runFailed;
    }
    return code;
  }
  let refused = 0;
  let done = 0;
  for await (const one of eachRun(context.runs, filter, (id) => act(context.runs, id))) {
    tell(one);
    if (one.error === undefined) done += 1;
    else refused += 1;
  }
  if (flags.json !== true) err(`${done} ${did}${refused === 0 ? "" : `, ${refused} not`}\n`);
  return refused === 0 ? EXIT.done : EXIT.runFailed;
}

function filterOf(flags: FilterFlags, otherwise: RunStatus | "approval" | undefined): RunFilter {
  const { batch, pool, error, limit } = flags;
  const usual = otherwise === "approval" ? "waiting" : otherwise;
  const told = flags.failed === true || error !== undefined ? "failed" : usual;
  const wanted = flags.status ?? (flags.reason === undefined ? told : (told ?? "waiting"));
  const status = RUN_STATUSES.find((one) => one === wanted);
  if (status === undefined) {
    const why = wanted === undefined ? "tell which status is meant" : `there is no status ${wanted}`;
    throw new BatonError("invalid_spec", `${why}: --status ${RUN_STATUSES.join(" | ")}`);
  }
  const reason = WAIT_REASONS.find((one) => one === flags.reason);
  if (flags.reason !== undefined && reason === undefined) {
    throw new BatonError(
      "invalid_spec",
      `a run waits for ${WAIT_REASONS.join(", ")}, not for ${flags.reason}`,
    );
  }
  if (reason !== undefined && status !== "waiting") {
    throw new BatonError(
      "invalid_spec",
      "only waiting runs have a --reason: leave it out, or ask for --status waiting",
    );
  }
  if (error !== undefined && status !== "failed") {
    throw new BatonError(
      "invalid_spec",
      "only failed runs have an --error: leave it out, or ask for --status failed",
    );
  }
  if (status !== "waiting") return { status, batch, pool, error, limit };
  return {
    status,
    batch,
    pool,
    error,
    limit,
    reason: reason ?? (otherwise === "approval" ? otherwise : undefined),
  };
}

function budgetOf({ budgetTokens, budgetUsd }: BudgetFlags): Budget | undefined {
  if (budgetTokens === undefined && budgetUsd === undefined) return undefined;
  return {
    ...(budgetTokens === undefined ? {} : { tokens: budgetTokens }),
    ...(budgetUsd === undefined ? {} : { usd: budgetUsd }),
  };
}

function wordsOf({ code, message }: BatonError): { readonly code: string; readonly message: string } {
  return { code, message };
}
