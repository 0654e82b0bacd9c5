/**
 * The history of the runs that were submitted, as the checks of test/chaos read it: they know of no forks, and take the
 * moment at which a client was told of its run for that at which the run began.
 */
import type { History } from "../chaos/history.ts";
import { isFork } from "./due.ts";

export function submittedHistory(history: History): History {
  const forks = history.runs.filter((one) => isFork(one, history.runs));
  // A fork is made when the run that it is of has ended: what was bought for their mark later was bought for the fork.
  const forkedAt = new Map(forks.map(({ mark, run }) => [mark, run.createdAt]));
  const isBefore = ({ mark, at }: { readonly mark: string; readonly at: number }): boolean =>
    at < (forkedAt.get(mark) ?? Number.POSITIVE_INFINITY);
  const ids = new Set(forks.map(({ run }): string => run.id));
  const createdAt = new Map(history.runs.map(({ run }): [string, number] => [run.id, run.createdAt]));
  return {
    ...history,
    runs: history.runs.filter((one) => !isFork(one, history.runs)),
    purchases: history.purchases.filter(isBefore),
    toolRuns: history.toolRuns.filter(isBefore),
    samples: history.samples.filter(({ runId }) => !ids.has(runId)),
    events: history.events.filter(({ runId }) => !ids.has(runId)),
    // Clients of OpenAI hear of their run when it has ended.
    submissions: history.submissions.map((one) =>
      one.runId === undefined ? one : { ...one, at: Math.min(one.at, createdAt.get(one.runId) ?? one.at) },
    ),
  };
}
