/**
 * Lists of runs by what they are, newest first: one page of bounded work, or all of them, which is one page after another.
 * Of runs that no index tells apart (by model, error, reason, metadata) so many are looked at for a page, and what was
 * found among them is the page: it may be short, or empty, and still say where to go on.
 */
import {
  BatonError,
  matchesModelPattern,
  type Run,
  type RunId,
  type RunStatus,
  runIdSchema,
} from "@baton/core";
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

export interface RunPageQuery extends Omit<RunFilter, "status" | "limit"> {
  /** Absent: all. */
  readonly status?: RunStatus | undefined;
  readonly limit: number;
  /** What the page before gave. */
  readonly cursor?: string | undefined;
}

export interface RunPage {
  readonly runs: readonly Run[];
  /** Where to go on; undefined when this is the last page. */
  readonly cursor: string | undefined;
}

/** Runs that are looked at for one page: hardly more than the largest page has, so that none costs much more than that. */
const LOOKS_MAX = 250;
/** Of runs that may not match, so many are looked at in one go. */
const LOOKS_AT_ONCE = 50;
const PAGE = 200;

/** Throws `invalid_spec` for a cursor that no page gave. */
export async function pageRuns(
  ledger: Pick<Ledger, "newest" | "outline">,
  query: RunPageQuery,
): Promise<RunPage> {
  const { status, batch, namespace, cursor } = query;
  const limit = isWhole(query) ? query.limit : LOOKS_AT_ONCE;
  const runs: Run[] = [];
  let before = cursor === undefined ? undefined : placeOf(cursor);
  for (let looks = 0; looks < LOOKS_MAX; ) {
    const { ids, hasMore } = await ledger.newest({ status, batch, namespace, before, limit });
    looks += ids.length;
    const found = await Promise.all(ids.map((id) => ledger.outline(id)));
    for (const [place, one] of found.entries()) {
      if (one === undefined || !matches(one, query)) continue;
      runs.push(one);
      if (runs.length < query.limit) continue;
      const isLast = place === ids.length - 1 && !hasMore;
      return { runs, cursor: isLast ? undefined : cursorAt(ids[place]) };
    }
    before = ids.at(-1);
    if (!hasMore || before === undefined) return { runs, cursor: undefined };
  }
  return { runs, cursor: cursorAt(before) };
}

/** All matching runs. One that the caller changes meanwhile is not met again. */
export async function* selectRuns(
  pages: { readonly page: (query: RunPageQuery) => Promise<RunPage> },
  { limit = Number.POSITIVE_INFINITY, ...filter }: RunFilter,
): AsyncGenerator<Run, void, void> {
  let cursor: string | undefined;
  let left = limit;
  while (left > 0) {
    const page = await pages.page({ ...filter, limit: Math.min(PAGE, left), cursor });
    yield* page.runs;
    left -= page.runs.length;
    cursor = page.cursor;
    if (cursor === undefined) return;
  }
}

/** An index has these runs and no others. */
function isWhole({ pool, error, reason, metadata = {} }: RunPageQuery): boolean {
  return [pool, error, reason].every((one) => one === undefined) && Object.keys(metadata).length === 0;
}

function matches(
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

function cursorAt(id: RunId | undefined): string | undefined {
  return id === undefined ? undefined : Buffer.from(id).toString("base64url");
}

function placeOf(cursor: string): RunId {
  const parsed = runIdSchema.safeParse(Buffer.from(cursor, "base64url").toString());
  if (parsed.success) return parsed.data;
  throw new BatonError("invalid_spec", "there is no such cursor: give one that a page gave, or none", {
    fields: { field: "cursor" },
  });
}
