import type { RunId } from "@baton/core";
import { z } from "zod";
import { outputArguments, readRunView, runIdArgument, runViewSchema } from "../run-view.ts";
import { defineTool, READS, type ToolCall } from "../tool.ts";
import { tellProgress } from "../wait-progress.ts";

/** Below the minute after which many clients give a call up. */
const SECONDS = 45;
const SECONDS_MAX = 300;

export const waitRun = defineTool({
  name: "wait_run",
  title: "Wait for a run",
  description:
    "Waits until a run is over, or waits for a person, or the seconds are up, and answers as get_run does. When the " +
    "run still works then, call it again: nothing is lost, also when you cancel. Tells progress when asked to.",
  scope: "read",
  hints: READS,
  input: z.strictObject({
    run_id: runIdArgument,
    seconds: z.number().min(0).max(SECONDS_MAX).default(SECONDS).describe("Wait at most so long."),
    ...outputArguments,
  }),
  output: runViewSchema,
  waitsMs: ({ seconds }) => seconds * 1_000,
  async run({ run_id: id, seconds, ...range }, call) {
    await waitFor(id, seconds, call);
    return readRunView(call.runs, id, range);
  },
});

/** Until the run is over or waits for an outside act, the time is up, or the call is cancelled. */
async function waitFor(id: RunId, seconds: number, { runs, signal, progress }: ToolCall): Promise<void> {
  const enough = new AbortController();
  const until = AbortSignal.any([signal, enough.signal, AbortSignal.timeout(Math.ceil(seconds * 1_000))]);
  const stop = (): void => enough.abort();
  const settled = runs.untilSettled(id, until).finally(stop);
  const telling = progress === undefined ? undefined : tellProgress(runs, id, progress, until);
  // Whichever fails ends the other, so that neither is left behind.
  await Promise.all([settled, telling?.finally(stop)]);
}
