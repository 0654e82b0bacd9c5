/** `/v1/pools` and `/v1/workers`: what waits where, who serves it; and what bounds it, set live. */
import { type ModelId, modelIdSchema } from "@baton/core";
import {
  poolPatchOfWire,
  wirePool,
  wirePoolPatchSchema,
  wirePoolSchema,
  wireWorker,
  wireWorkerSchema,
} from "@baton/producer";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { PROBLEMS } from "../problem.ts";

const poolParams = z.object({
  model: modelIdSchema.describe("The model's id; its slash may stand as it is or as %2F."),
});
const poolAnswers = { 200: wirePoolSchema, ...PROBLEMS };

export function addPools(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "GET",
    url: "/v1/pools",
    config: { scope: "read" },
    schema: {
      operationId: "listPools",
      tags: ["pools"],
      summary: "Every pool: what waits in it, who serves it, what bounds and holds it",
      response: { 200: z.object({ data: z.array(wirePoolSchema) }), ...PROBLEMS },
    },
    handler: async (request) => ({ data: (await context.runsOf(request).pools()).map(wirePool) }),
  });
  app.route({
    method: "GET",
    url: "/v1/pools/:model",
    config: { scope: "read" },
    schema: {
      operationId: "getPool",
      tags: ["pools"],
      summary: "One pool, as in the list",
      params: poolParams,
      response: poolAnswers,
    },
    handler: async (request) => wirePool(await context.runsOf(request).pool(request.params.model)),
  });
  addSteering(app, context);
  app.route({
    method: "GET",
    url: "/v1/workers",
    // Where an operator's processes run is the operator's to know.
    config: { scope: "operate" },
    schema: {
      operationId: "listWorkers",
      tags: ["pools"],
      summary: "The live workers: where, what they serve, places, phases at work",
      response: { 200: z.object({ data: z.array(wireWorkerSchema) }), ...PROBLEMS },
    },
    handler: async (request) => {
      const workers = await context.runsOf(request).workers();
      return { data: workers.map(wireWorker).sort((a, b) => (a.id < b.id ? -1 : 1)) };
    },
  });
}

function addSteering(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "PATCH",
    url: "/v1/pools/:model",
    config: { scope: "operate" },
    schema: {
      operationId: "setPool",
      tags: ["pools"],
      summary: "Set what bounds a pool, at once and for all workers",
      description: "null clears a setting, what is absent stays.",
      params: poolParams,
      body: wirePoolPatchSchema,
      response: poolAnswers,
    },
    async handler(request) {
      const { model } = request.params;
      await context.runsOf(request).setPool(model, poolPatchOfWire(request.body));
      return poolAfter(context, request, model);
    },
  });
  const acts = [
    ["pause", "pausePool", "No phase of the pool starts, and those at work stop after their turn"],
    ["resume", "resumePool", "Let a paused pool go on; also ends what a rate limit held"],
  ] as const;
  for (const [act, operationId, summary] of acts) {
    app.route({
      method: "POST",
      url: `/v1/pools/:model/${act}`,
      config: { scope: "operate" },
      schema: {
        operationId,
        tags: ["pools"],
        summary,
        params: poolParams,
        body: z.strictObject({}).optional(),
        response: poolAnswers,
      },
      async handler(request) {
        const { model } = request.params;
        await context.runsOf(request)[operationId](model);
        return poolAfter(context, request, model);
      },
    });
  }
}

/** What was done may have left a pool of which nothing is known any more: that is no error of the caller. */
async function poolAfter(context: ApiContext, request: FastifyRequest, model: ModelId) {
  return wirePool(await context.runsOf(request).pool(model, { evenUnknown: true }));
}
