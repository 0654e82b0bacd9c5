/**
 * One page of a list of runs, newest first. The work for a page is bounded: of runs that no index tells apart (by model,
 * error, reason, metadata) so many are looked at, and what was found among them is the page. It may be short, or empty,
 * and still say where to go on.
 */
import { BatonError, isLive, type Run, type RunId, type RunStatus, runIdSchema } from "@baton/core";
import type { Ledger, NewestPage, NewestRuns } from "@baton/store";
import { matches, type RunFilter } from "./select-runs.ts";

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

type Source = Pick<Ledger, "newest" | "newestRunning" | "outline">;

/** Runs that are looked at for one page: hardly more than the largest page has, so that none costs much more than that. */
const LOOKS_MAX = 250;
const LOOKS_AT_ONCE = 50;

/** Throws `invalid_spec` for a cursor that no page gave. */
export async function pageRuns(ledger: Source, query: RunPageQuery): Promise<RunPage> {
  const runs: Run[] = [];
  let before = query.cursor === undefined ? undefined : placeOf(query.cursor);
  for (let looks = 0; looks < LOOKS_MAX; ) {
    const { ids, hasMore } = await nextIds(ledger, query, before);
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

/** The next runs that may match, by the narrowest index there is. */
function nextIds(ledger: Source, query: RunPageQuery, before: RunId | undefined): Promise<NewestRuns> {
  const { status, batch, namespace, limit } = query;
  const page: NewestPage = { batch, namespace, before, limit: Math.min(limit, LOOKS_AT_ONCE) };
  if (status === "running") return ledger.newestRunning(page);
  return ledger.newest({ ...page, groups: status && [isLive(status) ? "live" : status] });
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
