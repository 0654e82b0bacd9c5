/** `POST /v1/runs`. */
import { isTerminal, runSpecSchema } from "@baton/core";
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { PROBLEMS } from "../problem.ts";
import { batchId } from "./batches-params.ts";
import { submittedRunSchema, viewNow } from "./run-view.ts";
import { waitForRun, waitSeconds } from "./wait-for-run.ts";

/** What a new run may be told beside its spec. */
export const submitHeaders = z.object({
  "idempotency-key": z
    .string()
    .min(1)
    .max(512)
    .optional()
    .describe("The same key with the same body gives the same run, as long as the run is kept."),
  traceparent: z.string().max(512).optional().describe("W3C trace context: the run's spans join its trace."),
});

export const batchPlace = {
  batch: batchId.optional().describe("The batch that the run belongs to; `custom_id` goes with it."),
  custom_id: z
    .string()
    .min(1)
    .max(512)
    .optional()
    .describe("Its name in the batch, and its idempotency key: the header is not looked at then."),
};

/** Where a new run goes, out of headers and query. */
export function placeOf(
  headers: z.infer<typeof submitHeaders>,
  {
    batch,
    custom_id: customId,
  }: { readonly batch?: string | undefined; readonly custom_id?: string | undefined },
) {
  const trace = headers.traceparent;
  if (batch === undefined || customId === undefined) {
    return { idempotencyKey: headers["idempotency-key"], trace };
  }
  // A key of another kind beside it would let one name stand for two runs, or two names for one (R8).
  return { batch: { id: batch, customId }, trace };
}

/** A batch and a name in it are given together or not at all. */
export function isWholePlace(query: { readonly batch?: unknown; readonly custom_id?: unknown }): boolean {
  return (query.batch === undefined) === (query.custom_id === undefined);
}
export const HALF_PLACE = "give batch and custom_id together, or none of them";

export function addSubmitRun(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "POST",
    url: "/v1/runs",
    config: { scope: "submit" },
    schema: {
      operationId: "submitRun",
      tags: ["runs"],
      summary: "Submit a run",
      description:
        "202 when the run was created and goes on; 200 when it was there already, or was waited for and is over.",
      headers: submitHeaders,
      querystring: z.strictObject({ wait: waitSeconds, ...batchPlace }).refine(isWholePlace, HALF_PLACE),
      body: runSpecSchema,
      response: { 200: submittedRunSchema, 202: submittedRunSchema, ...PROBLEMS },
    },
    async handler(request, reply) {
      const runs = context.runsOf(request);
      const { wait } = request.query;
      const { runId, created } = await runs.submit(request.body, placeOf(request.headers, request.query));
      const found = await waitForRun(context, reply, runId, wait);
      const isDone = !created || (wait > 0 && isTerminal(found.run.status));
      reply.code(isDone ? 200 : 202).header("location", `/v1/runs/${runId}`);
      return { ...(await viewNow(runs, found)), created };
    },
  });
}
