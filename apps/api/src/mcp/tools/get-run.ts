import { z } from "zod";
import { outputArguments, readRunView, runIdArgument, runViewSchema } from "../run-view.ts";
import { defineTool, READS } from "../tool.ts";

export const getRun = defineTool({
  name: "get_run",
  title: "Look at a run",
  description:
    "The state of a run now: status, final output, phases, models and tools used, tokens and cost, its error, and a " +
    "notice of why it does not move. It is over when status is succeeded, failed or cancelled; to wait for that use " +
    "wait_run instead of asking again and again. A long output comes in parts: see output_part.",
  scope: "read",
  hints: READS,
  input: z.strictObject({ run_id: runIdArgument, ...outputArguments }),
  output: runViewSchema,
  run: ({ run_id: id, ...range }, { runs }) => readRunView(runs, id, range),
});
