/** Runs by what they are: the way in to acts on many. */
import { matchesModelPattern, type Run, type RunId, type RunStatus } from "@baton/core";
import type { Ledger } from "@baton/store";

export interface RunFilter {
  readonly status: RunStatus;
  readonly batch?: string | undefined;
  /** Only runs of this namespace. */
  readonly namespace?: string | undefined;
  /** The pool that the run is in or was in last: a model id, or a prefix that ends with `*`. */
  readonly pool?: string | undefined;
  /** Code of the error that a failed run ended with. */
  readonly error?: string | undefined;
  /** What a waiting run waits for. */
  readonly reason?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** At most so many, the newest first. */
  readonly limit?: number | undefined;
}

const PAGE = 200;

/** Matching runs, newest first. One that the caller changes meanwhile is not met again. */
export async function* selectRuns(
  ledger: Pick<Ledger, "list" | "outline">,
  filter: RunFilter,
): AsyncGenerator<Run, void, void> {
  const { status, batch, namespace, limit = Number.POSITIVE_INFINITY } = filter;
  let before: RunId | undefined;
  let found = 0;
  for (;;) {
    const ids = await ledger.list(status, { limit: PAGE, before, batch, namespace });
    const read = await Promise.all(ids.map((id) => ledger.outline(id)));
    for (const one of read) {
      if (one === undefined || !matches(one, filter)) continue;
      if (found === limit) return;
      found += 1;
      yield one;
    }
    before = ids.at(-1);
    if (before === undefined || ids.length < PAGE) return;
  }
}

/** Whether the run is what the filter says; a filter without a status takes any. */
export function matches(
  run: Run,
  { status, namespace, pool, error, reason, metadata }: Partial<RunFilter>,
): boolean {
  return (
    (status === undefined || run.status === status) &&
    (namespace === undefined || run.namespace === namespace) &&
    (pool === undefined || matchesModelPattern(pool, run.model)) &&
    (error === undefined || (run.status === "failed" && run.error.code === error)) &&
    (reason === undefined || (run.status === "waiting" && run.reason === reason)) &&
    Object.entries(metadata ?? {}).every(([key, value]) => run.metadata?.[key] === value)
  );
}
