/** Acts on many runs: what is wrong with one of them is told of it, and keeps no other from its turn. */
import { type BatonError, type RunId, toBatonError } from "@baton/core";
import type { RunFilter } from "./page-runs.ts";
import type { RunService } from "./run-service.ts";

export interface Done {
  readonly id: RunId;
  /** Why it was not done. */
  readonly error?: BatonError;
}

/** Runs that are acted on at once. */
const AT_ONCE = 50;

/** Does `act` to all matching runs, several at once; tells of each, also when it was not possible. */
export async function* eachRun(
  runs: Pick<RunService, "select">,
  filter: RunFilter,
  act: (id: RunId) => Promise<void>,
): AsyncGenerator<Done, void, void> {
  let page: RunId[] = [];
  for await (const run of runs.select(filter)) {
    page.push(run.id);
    if (page.length < AT_ONCE) continue;
    yield* await Promise.all(page.map((id) => doOne(id, act)));
    page = [];
  }
  yield* await Promise.all(page.map((id) => doOne(id, act)));
}

/** What is wrong with Redis, or with the way to it, ends the whole. */
const ENDS_ALL = /^(internal$|redis_|server_|unauthorized$|forbidden$|rate_limited$|shutting_down$)/;

/** Does `act` to one of many. */
export async function doOne(id: RunId, act: (id: RunId) => Promise<void>): Promise<Done> {
  try {
    await act(id);
    return { id };
  } catch (thrown) {
    const error = toBatonError(thrown);
    if (ENDS_ALL.test(error.code)) throw error;
    return { id, error };
  }
}
