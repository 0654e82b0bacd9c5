/**
 * Acts on all runs of a batch that call for them. Each answers when it is done with how many there were; sent again, it
 * goes on with what is left.
 */
import { budgetSchema, modelIdSchema, SPEC_LIMITS } from "@baton/core";
import { type Done, type RunService, wireBatch, wireBatchSchema } from "@baton/producer";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { type ActAnswer, answerAct, type Live } from "../ndjson/answer-act.ts";
import { HttpProblem, problemSchema } from "../problem.ts";
import { batchParams } from "./batches-params.ts";
import { ATTEMPTS_MAX } from "./run-acts.ts";

/** Runs that could not be changed, in an answer; they are counted beyond. */
const REFUSALS_MAX = 100;

const refusals = z.object({
  refused: z.int().describe("Runs that could not be changed now."),
  refusals: z
    .array(z.object({ run: z.string(), error: z.object({ code: z.string(), message: z.string() }) }))
    .describe("The first hundred of them."),
});

const errors = { "4xx": problemSchema, "5xx": problemSchema };

const retryBody = z.strictObject({
  failed: z.literal(true).optional().describe("The failed runs, as always."),
  cancelled: z.boolean().optional().describe("Also the cancelled runs."),
  model: modelIdSchema.optional().describe("Another model for the phase that failed."),
  input: z
    .string()
    .min(1)
    .max(SPEC_LIMITS.inputCharsMax)
    .optional()
    .describe("Said to the model before it goes on."),
  attempts: z
    .int()
    .min(1)
    .max(ATTEMPTS_MAX)
    .optional()
    .describe("How many calls may fail in a row from here on."),
  budget: budgetSchema.optional().describe("Goes over each run's budget, name by name."),
});

const changeBody = z.strictObject({
  weight: z.number().min(0.001).max(1_000).optional(),
  budget: z
    .strictObject({
      tokens: z.int().min(1).nullable().optional(),
      usd: z.number().positive().nullable().optional(),
    })
    .optional()
    .describe("Goes over the batch's budget, name by name; null takes a bound away."),
});

export function addBatchActs(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "POST",
    url: "/v1/batches/:id/retry",
    config: { scope: "submit" },
    schema: {
      operationId: "retryBatch",
      tags: ["batches"],
      summary: "Put the failed runs of a batch back to work, each from its last written turn",
      params: batchParams,
      body: retryBody.optional(),
      response: { 200: z.object({ batch: z.string(), retried: z.int() }).extend(refusals.shape), ...errors },
    },
    handler(request, reply) {
      const { failed: _always, ...options } = request.body ?? {};
      return act(request, reply, "retried", (runs, id) => runs.retryBatch(id, options, context.stopping));
    },
  });

  app.route({
    method: "POST",
    url: "/v1/batches/:id/cancel",
    config: { scope: "submit" },
    schema: {
      operationId: "cancelBatch",
      tags: ["batches"],
      summary: "End all runs of a batch that have not ended",
      params: batchParams,
      body: z.strictObject({}).optional(),
      response: {
        200: z.object({ batch: z.string(), cancelled: z.int() }).extend(refusals.shape),
        ...errors,
      },
    },
    handler: (request, reply) =>
      act(request, reply, "cancelled", (runs, id) => runs.cancelBatch(id, context.stopping)),
  });

  app.route({
    method: "PATCH",
    url: "/v1/batches/:id",
    config: { scope: "submit" },
    schema: {
      operationId: "changeBatch",
      tags: ["batches"],
      summary: "Set the weight and the budget of a batch; runs that waited for the budget go on",
      params: batchParams,
      body: changeBody,
      response: {
        200: wireBatchSchema.extend({ resumed: z.int() }).extend(refusals.shape),
        ...errors,
      },
    },
    handler: (request, reply) =>
      answerAct(request, reply, async (live) => {
        const { id } = request.params;
        const runs = context.runsOf(request);
        await runs.batchStatus(id);
        const each = runs.changeBatch(id, request.body, context.stopping);
        const done = await doEach(live, "resumed", each, context.stopping);
        return { status: 200, body: { ...wireBatch(await runs.batchStatus(id)), ...done } };
      }),
  });

  function act(
    request: FastifyRequest<{ Params: { id: string } }>,
    reply: FastifyReply,
    did: "retried" | "cancelled",
    eachOf: (runs: RunService, id: string) => AsyncIterable<Done>,
  ): Promise<void> {
    return answerAct(request, reply, async (live): Promise<ActAnswer> => {
      const { id } = request.params;
      const runs = context.runsOf(request);
      await runs.batchStatus(id);
      const done = await doEach(live, did, eachOf(runs, id), context.stopping);
      return { status: 200, body: { batch: id, ...done } };
    });
  }
}

async function doEach(
  live: Live,
  did: "retried" | "cancelled" | "resumed",
  each: AsyncIterable<Done>,
  stopping: AbortSignal,
): Promise<object> {
  const counts = { done: 0, refused: 0 };
  const told: object[] = [];
  const progress = () => ({ [did]: counts.done, refused: counts.refused });
  live.begin(progress);
  for await (const { id: run, error } of each) {
    if (error === undefined) {
      counts.done += 1;
      await live.tell({ type: "changed", run });
      continue;
    }
    counts.refused += 1;
    const refusal = { run, error: { code: error.code, message: error.message } };
    if (told.length < REFUSALS_MAX) told.push(refusal);
    await live.tell({ type: "refused", ...refusal });
  }
  if (stopping.aborted) {
    const message = `the API stops after ${counts.done} runs: send it again, and it goes on with what is left`;
    throw new HttpProblem("shutting_down", 503, message, { retryAfter: 2 });
  }
  return { ...progress(), refusals: told };
}
