/** `keys`: whoever asked for a job was told the one run of it, and a fork's key is one fork. */
import type { History } from "../chaos/history.ts";
import { dueOf, isFork, refusedByBudget } from "./due.ts";
import type { Breach } from "./judge.ts";
import type { ApiStories } from "./stories.ts";

export function checkKeys(stories: ApiStories, { runs }: History): readonly Breach[] {
  const { planned, answers, watched } = stories;
  const marks = new Map(runs.map(({ run, mark }) => [run.id as string, mark]));
  const told = [...answers, ...watched].flatMap(({ runId, mark }) =>
    runId === undefined || marks.get(runId) === mark
      ? []
      : [breach(mark, `it was told the run ${runId}, which is that of ${marks.get(runId) ?? "nobody"}`)],
  );
  const submitted = Map.groupBy(
    runs.filter((one) => !isFork(one, runs)),
    ({ mark }) => mark,
  );
  const unmade = refusedByBudget(stories);
  const due = new Set(dueOf(stories).map(({ mark }) => mark));
  const counts = planned.flatMap(({ mark }) => {
    const count = submitted.get(mark)?.length ?? 0;
    return count === (due.has(mark) && !unmade.has(mark) ? 1 : 0)
      ? []
      : [breach(mark, `its submission is ${count} runs`)];
  });
  const planless = [...submitted.keys()].filter((mark) => !planned.some((one) => one.mark === mark));
  const forks = Map.groupBy(
    runs.filter((one) => isFork(one, runs)),
    ({ mark }) => mark,
  );
  const asked = (mark: string): number => answers.filter((one) => one.mark === mark && one.isFork).length;
  return [
    ...told,
    ...counts,
    ...planless.map((mark) => breach(mark, "nobody planned it")),
    ...[...forks].flatMap(([mark, some]) =>
      some.length <= asked(mark) ? [] : [breach(mark, `${some.length} forks, ${asked(mark)} were asked for`)],
    ),
  ];
}

function breach(where: string, what: string): Breach {
  return { check: "keys", where, what };
}
