/** What clients had to ask for, and which runs are whose, as the checks need it. */
import type { EndedRun } from "../chaos/history.ts";
import type { ApiStories, Planned } from "./stories.ts";

/** Not a link whose conversation broke off before it: what it would have gone on from has no answer. */
export function dueOf({ planned, answers }: ApiStories): readonly Planned[] {
  const broken = new Set<string>();
  return planned.filter(({ mark, after }) => {
    if (after === undefined) return true;
    const before = answers.findLast((one) => one.mark === after);
    const goesOn = !broken.has(after) && before?.outcome.kind !== "refused";
    if (!goesOn) broken.add(mark);
    return goesOn;
  });
}

/** Marks of jobs that were refused because the budget of their key was spent. */
export function refusedByBudget({ planned, bounds, answers }: ApiStories): ReadonlySet<string> {
  const bounded = new Set(
    planned.flatMap(({ mark, key }) => (bounds.get(key ?? "")?.kind === "budget" ? [mark] : [])),
  );
  return new Set(
    answers.flatMap(({ mark, outcome }) =>
      bounded.has(mark) && outcome.kind === "refused" && outcome.code === "budget" ? [mark] : [],
    ),
  );
}

/** Whether it is a fork that a client asked for: that has the mark of the run that it is of. A link has its own. */
export function isFork({ run, mark }: EndedRun, runs: readonly EndedRun[]): boolean {
  const of = run.forkedFrom?.run;
  return of !== undefined && runs.some((one) => one.run.id === of && one.mark === mark);
}
