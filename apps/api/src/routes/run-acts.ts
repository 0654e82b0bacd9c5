/** `POST /v1/runs/:id/…`: what is done to a run. Each answers with the run as it is then. */
import { budgetSchema, modelIdSchema, type RunId, SPEC_LIMITS } from "@baton/core";
import { type RunService, runInputSchema } from "@baton/producer";
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { PROBLEMS } from "../problem.ts";
import { runParams } from "./one-run.ts";
import { runViewSchema, submittedRunSchema, viewNow } from "./run-view.ts";
import { batchPlace, HALF_PLACE, isWholePlace, placeOf, submitHeaders } from "./submit-run.ts";

export const ATTEMPTS_MAX = 1_000;

const said = z
  .string()
  .min(1)
  .max(SPEC_LIMITS.inputCharsMax)
  .optional()
  .describe("Said to the model before it goes on, as a user's message.");
const budget = budgetSchema.optional().describe("Goes over the run's budget, name by name.");
const calls = z
  .array(z.string().min(1).max(200))
  .min(1)
  .max(1_000)
  .optional()
  .describe("Ids of the calls that are meant; absent: all that the run asks for.");

const nothing = z.strictObject({}).optional();

const retryBody = z
  .strictObject({
    model: modelIdSchema.optional().describe("Another model for the phase that failed."),
    input: said,
    attempts: z
      .int()
      .min(1)
      .max(ATTEMPTS_MAX)
      .optional()
      .describe("How many calls may fail in a row from here on; absent: what the configuration says."),
    budget,
  })
  .optional();
const resumeBody = z.strictObject({ budget }).optional();
const approveBody = z.strictObject({ calls }).optional();
const rejectBody = z
  .strictObject({ calls, reason: z.string().min(1).max(10_000).optional().describe("Told to the model.") })
  .optional();
const forkBody = z
  .strictObject({
    at: z
      .int()
      .min(0)
      .optional()
      .describe("The last item that is shared, by its place; absent: up to the last turn border."),
    model: modelIdSchema
      .optional()
      .describe("The model that goes on; absent: the one that held control there."),
    input: said,
    budget,
  })
  .optional();

export function addRunActs(app: ApiApp, context: ApiContext): void {
  addAct(app, context, {
    act: "cancel",
    operationId: "cancelRun",
    summary: "End a run now",
    body: nothing,
    perform: (runs, id) => runs.cancel(id),
  });
  addAct(app, context, {
    act: "pause",
    operationId: "pauseRun",
    summary: "Let a run wait after its current turn",
    body: nothing,
    perform: (runs, id) => runs.pause(id),
  });
  addAct(app, context, {
    act: "resume",
    operationId: "resumeRun",
    summary: "Let a waiting run go on",
    body: resumeBody,
    perform: (runs, id, body) => runs.resume(id, body),
  });
  addAct(app, context, {
    act: "retry",
    operationId: "retryRun",
    summary: "Put a failed or cancelled run back to work, from its last written turn",
    body: retryBody,
    perform: (runs, id, body) => runs.retry(id, body ?? {}),
  });
  addAct(app, context, {
    act: "input",
    operationId: "answerRun",
    summary: "Answer a waiting run: results of the caller's own tools, a message, or both",
    body: runInputSchema,
    perform: (runs, id, body) => runs.input(id, body),
  });
  addAct(app, context, {
    act: "approve",
    operationId: "approveCalls",
    summary: "Let calls be made that a run waits to hear about",
    body: approveBody,
    perform: (runs, id, body) => runs.approve(id, body),
  });
  addAct(app, context, {
    act: "reject",
    operationId: "rejectCalls",
    summary: "Refuse calls that a run waits to hear about; the model is told",
    body: rejectBody,
    perform: (runs, id, body) => runs.reject(id, body),
  });
  addFork(app, context);
}

interface Act<Body extends z.ZodType> {
  readonly act: string;
  readonly operationId: string;
  readonly summary: string;
  readonly body: Body;
  readonly perform: (runs: RunService, id: RunId, body: z.infer<Body>) => Promise<void>;
}

function addAct<Body extends z.ZodType>(
  app: ApiApp,
  context: ApiContext,
  { act, operationId, summary, body, perform }: Act<Body>,
): void {
  app.route({
    method: "POST",
    url: `/v1/runs/:id/${act}`,
    config: { scope: "submit" },
    schema: {
      operationId,
      tags: ["runs"],
      summary,
      description: "409 when the run's status does not take it, or it changed in the meantime.",
      params: runParams,
      body,
      response: { 200: runViewSchema, ...PROBLEMS },
    },
    async handler(request) {
      const runs = context.runsOf(request);
      const { id } = request.params;
      // The validator has parsed it by this schema; the type provider cannot tell so of a type that is a parameter.
      await perform(runs, id, request.body as z.infer<Body>);
      return viewNow(runs, await runs.get(id));
    },
  });
}

function addFork(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "POST",
    url: "/v1/runs/:id/fork",
    config: { scope: "submit" },
    schema: {
      operationId: "forkRun",
      tags: ["runs"],
      summary: "A new run that begins with the conversation of another one",
      description: "Answers with the new run: 202 when it was created, 200 when it was there already.",
      params: runParams,
      headers: submitHeaders,
      querystring: z.strictObject(batchPlace).refine(isWholePlace, HALF_PLACE),
      body: forkBody,
      response: { 200: submittedRunSchema, 202: submittedRunSchema, ...PROBLEMS },
    },
    async handler(request, reply) {
      const runs = context.runsOf(request);
      const { runId, created } = await runs.fork(request.params.id, {
        ...request.body,
        ...placeOf(request.headers, request.query),
      });
      reply.code(created ? 202 : 200).header("location", `/v1/runs/${runId}`);
      return { ...(await viewNow(runs, await runs.get(runId))), created };
    },
  });
}
