import { RUN_STATUSES, responseFormatSchema, runIdSchema, SPEC_LIMITS } from "@baton/core";
import { z } from "zod";
import { notice, readNotice } from "../run-view.ts";
import { defineTool } from "../tool.ts";

const model = z.string().min(3).max(200);
const MODEL_HINT = "provider/model, for example openai/gpt-5.2";

const servers = z
  .array(z.string().min(1).max(2_000))
  .max(SPEC_LIMITS.serversMax)
  .describe("MCP servers for the models: names of the operator's configuration, or https URLs.");

const instructions = z.string().max(SPEC_LIMITS.inputCharsMax);

/** What an assistant needs of a run spec; the names and the meaning are the spec's own. */
export const specArguments = {
  input: z
    .string()
    .min(1)
    .max(SPEC_LIMITS.inputCharsMax)
    .describe("The task, complete: the models see nothing of your conversation."),
  model: z
    .union([model, z.array(model).min(1).max(SPEC_LIMITS.modelsMax)], {
      error: `give one model id (${MODEL_HINT}) or a list of them`,
    })
    .optional()
    .describe(
      `${MODEL_HINT}. With a list, the first coordinates and may hand off to the others. Give this or phases.`,
    ),
  phases: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(64).optional(),
        model,
        instructions: instructions.optional(),
        mcp_servers: servers.optional(),
      }),
    )
    .min(1)
    .max(SPEC_LIMITS.phasesMax)
    .optional()
    .describe("A fixed pipeline instead of model: each phase ends by handing to the next."),
  instructions: instructions.optional().describe("System instructions for every model."),
  mcp_servers: servers.optional(),
  tools: z
    .array(z.string().min(1).max(64))
    .max(SPEC_LIMITS.toolsMax)
    .optional()
    .describe("Function tools by their names in the operator's configuration."),
  response_format: responseFormatSchema.optional().describe("Asks for JSON as the final output."),
  budget: z
    .strictObject({ tokens: z.int().min(1).optional(), usd: z.number().positive().optional() })
    .optional()
    .describe("The run waits for a person before it goes over it."),
  max_turns: z.int().min(1).max(1_000).optional().describe("Model calls at most."),
  max_handoffs: z.int().min(0).max(1_000).optional(),
  timeout: z
    .number()
    .positive()
    .max(30 * 86_400)
    .optional()
    .describe("Seconds until the run fails."),
  fallback: z
    .array(model)
    .max(SPEC_LIMITS.modelsMax)
    .optional()
    .describe("Models that take over when one fails for good."),
  metadata: z
    .record(z.string().min(1).max(64), z.string().max(512))
    .optional()
    .describe("Up to 32 labels of your own."),
};

export const submitRun = defineTool({
  name: "submit_run",
  title: "Submit a run",
  description:
    "Hands a task to one model or several, which work on it durably in the background, with tools and handoffs. " +
    "Answers at once with the run's id; follow with wait_run. It costs money at the models' providers. " +
    "Give an idempotency_key: then asking again after a lost answer finds the same run instead of starting another.",
  scope: "submit",
  hints: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  input: z.strictObject({
    ...specArguments,
    idempotency_key: z
      .string()
      .min(1)
      .max(512)
      .optional()
      .describe("The same key with the same task is the same run; with another task it is an error."),
  }),
  output: z.object({
    id: runIdSchema,
    status: z.enum(RUN_STATUSES),
    created: z.boolean().describe("False when the idempotency key found a run that was there already."),
    notice,
    next: z.string(),
  }),
  async run({ idempotency_key: idempotencyKey, ...spec }, { runs }) {
    const { runId, created } = await runs.submit(spec, { idempotencyKey });
    const { run } = await runs.get(runId);
    const next = `call wait_run with run_id ${runId}`;
    return { id: runId, status: run.status, created, notice: await readNotice(runs, run), next };
  },
});
