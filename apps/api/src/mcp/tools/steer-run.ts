/** What assistants may do to runs that are there. Approving calls and raising budgets is left to people. */
import { modelIdSchema, RUN_STATUSES, type RunId, runIdSchema, SPEC_LIMITS } from "@baton/core";
import type { RunService } from "@baton/producer";
import { z } from "zod";
import { runIdArgument } from "../run-view.ts";
import { defineTool } from "../tool.ts";

const steered = z.object({ id: runIdSchema, status: z.enum(RUN_STATUSES), model: z.string() });

async function stateOf(runs: Pick<RunService, "get">, id: RunId): Promise<z.infer<typeof steered>> {
  const { run } = await runs.get(id);
  return { id, status: run.status, model: run.model };
}

export const retryRun = defineTool({
  name: "retry_run",
  title: "Retry a run",
  description:
    "Puts a failed or cancelled run back to work in the phase that failed, from its last written turn: nothing that " +
    "was done is paid for again. Read its error with get_run first, and change what was wrong: another model, or a " +
    "message to it. Follow with wait_run.",
  scope: "submit",
  hints: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  input: z.strictObject({
    run_id: runIdArgument,
    model: modelIdSchema.optional().describe("Another model for the phase that failed."),
    input: z
      .string()
      .min(1)
      .max(SPEC_LIMITS.inputCharsMax)
      .optional()
      .describe("Said to the model before it goes on, as a user's message."),
    attempts: z.int().min(1).max(1_000).optional().describe("Model calls that may fail in a row."),
  }),
  output: steered,
  async run({ run_id: id, ...options }, { runs }) {
    await runs.retry(id, options);
    return stateOf(runs, id);
  },
});

export const cancelRun = defineTool({
  name: "cancel_run",
  title: "Cancel a run",
  description:
    "Ends a run that is not over: its model call and its tools are stopped within about a second. What was written " +
    "stays, and retry_run can put it back to work.",
  scope: "submit",
  hints: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  input: z.strictObject({ run_id: runIdArgument }),
  output: steered,
  async run({ run_id: id }, { runs }) {
    await runs.cancel(id);
    return stateOf(runs, id);
  },
});
