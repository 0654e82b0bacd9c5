/** The last line that a person sees of a run: how it ended, who worked on it, how long it took from its submission on. */
import type { Run, RunResult } from "@baton/core";
import { count, duration } from "./terminal.ts";

/** What took long is the run, and not whoever came to watch it: one that is over may have been for days. */
export function closingLine(run: Run, { status, models_used, usage }: RunResult): string {
  return [
    "endedAt" in run ? `${status} in ${duration(run.endedAt - run.createdAt)}` : status,
    models_used.length === 0 ? "no model has answered" : models_used.join(" → "),
    `${count(usage.input_tokens)} tokens in, ${count(usage.output_tokens)} out`,
  ].join(" · ");
}
