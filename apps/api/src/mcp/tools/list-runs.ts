import { RUN_STATUSES } from "@baton/core";
import { z } from "zod";
import { runLine, runLineSchema } from "../run-view.ts";
import { defineTool, READS } from "../tool.ts";

const RUNS = 20;
const RUNS_MAX = 50;

export const listRuns = defineTool({
  name: "list_runs",
  title: "List runs",
  description:
    "Runs, newest first, by what they are: to find one whose id is lost, or all that failed. A page may be short and " +
    "still have a next_cursor: go on until it is null. get_run tells more of one.",
  scope: "read",
  hints: READS,
  input: z.strictObject({
    status: z.enum(RUN_STATUSES).optional().describe("Absent: all."),
    model: z
      .string()
      .max(200)
      .optional()
      .describe("The model that has the run now, or had it last; or a prefix that ends with *."),
    batch_id: z.string().min(1).max(200).optional(),
    metadata: z
      .record(z.string().max(64), z.string().max(512))
      .optional()
      .describe("Labels that it must have."),
    limit: z.int().min(1).max(RUNS_MAX).default(RUNS),
    cursor: z.string().max(1_000).optional().describe("next_cursor of the page before."),
  }),
  output: z.object({ runs: z.array(runLineSchema), next_cursor: z.string().nullable() }),
  async run({ status, model: pool, batch_id: batch, metadata, limit, cursor }, { runs }) {
    const page = await runs.page({ status, pool, batch, metadata, limit, cursor });
    return { runs: page.runs.map(runLine), next_cursor: page.cursor ?? null };
  },
});
