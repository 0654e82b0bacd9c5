/**
 * R8 and lost runs: what was accepted is there, once for each key, and comes to an end. A producer that died after
 * it asked and before it was told may have made its run or not.
 */
import { isTerminal } from "@baton/core";
import { breach, isLost, type RunStory, type Story } from "./check-story.ts";
import type { Submission, Violation } from "./history.ts";

export function checkSubmissions({ history, runs, losses }: Story): readonly Violation[] {
  const found: Violation[] = [];
  const known = new Set(runs.map(({ id }) => id));
  const accepted = history.submissions.filter(
    (submission): submission is Submission & { readonly runId: string } =>
      submission.did === "accepted" && submission.runId !== undefined && !isLost(submission.at, losses),
  );
  for (const runId of new Set(accepted.map((submission) => submission.runId))) {
    if (!known.has(runId)) found.push(breach("lost", { id: runId }, "it was accepted, and there is no run"));
  }
  for (const [key, told] of Map.groupBy(accepted, (submission) => submission.idempotencyKey)) {
    const [first, ...others] = new Set(told.map((submission) => submission.runId));
    if (first === undefined || others.length === 0) continue;
    found.push(breach("R8", { id: first }, `the key ${key} was also told to be ${others.join(", ")}`));
  }
  for (const [mark, same] of Map.groupBy(runs, (run) => run.mark)) {
    const [first, ...others] = same;
    if (first === undefined) continue;
    if (!history.submissions.some((submission) => submission.mark === mark)) {
      found.push(breach("R8", first, `nobody asked for the run of ${mark}`));
    }
    for (const { id } of others) found.push(breach("R8", first, `${mark} has a second run, ${id}`));
  }
  return [...found, ...runs.flatMap(checkEnd)];
}

/** Every run is terminal when all is healed, or waits for what somebody has to do. */
function checkEnd(story: RunStory): readonly Violation[] {
  const { run } = story;
  if (isTerminal(run.status)) return [];
  if (run.status !== "waiting") return [breach("lost", story, `it is ${run.status} at the end`)];
  const why = waitIsAsked(story)
    ? undefined
    : `it waits at the end (${run.reason}), and nobody asked for that`;
  return why === undefined ? [] : [breach("lost", story, why)];
}

function waitIsAsked({ run, spec, acts }: RunStory): boolean {
  if (run.status !== "waiting") return false;
  switch (run.reason) {
    case "paused":
      return acts.findLast(({ did }) => did === "pause" || did === "resume")?.did === "pause";
    case "budget":
      return spec.budget !== undefined;
    case "client_tools":
      return (spec.tools ?? []).some((tool) => typeof tool !== "string");
    case "approval":
      return true;
  }
}
