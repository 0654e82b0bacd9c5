/** `/v1/runs`: submit, look at, wait for. */
import {
  RUN_STATUSES,
  type Run,
  type RunResult,
  type RunSpec,
  type RunStatus,
  runIdSchema,
  runResultSchema,
  runSpecSchema,
  storedSpecSchema,
  wireRun,
  wireRunSchema,
} from "@baton/core";
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { problemSchema } from "../problem.ts";

const WAIT_SECONDS_MAX = 600;
const PAGE_MAX = 200;

const runWithResult = wireRunSchema.extend({
  final_output: runResultSchema.shape.final_output,
  output_parsed: runResultSchema.shape.output_parsed,
  models_used: runResultSchema.shape.models_used,
  tools_called: runResultSchema.shape.tools_called,
  spec: storedSpecSchema.optional(),
});

type WholeRun = z.infer<typeof runWithResult>;

function wholeRun(run: Run, result: RunResult, spec?: RunSpec): WholeRun {
  const { final_output, output_parsed, models_used, tools_called } = result;
  return { ...wireRun(run), final_output, output_parsed, models_used, tools_called, spec };
}

const idParams = z.object({ id: runIdSchema });

export function addRuns(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "POST",
    url: "/v1/runs",
    config: { scope: "submit" },
    schema: {
      operationId: "submitRun",
      tags: ["runs"],
      headers: z.object({ "idempotency-key": z.string().min(1).max(512).optional() }),
      querystring: z.object({ wait: z.coerce.number().min(0).max(WAIT_SECONDS_MAX).optional() }),
      body: runSpecSchema,
      response: { 200: runWithResult, 202: runWithResult, "4xx": problemSchema, "5xx": problemSchema },
    },
    async handler(request, reply) {
      const runs = context.runsOf(request);
      const { runId } = await runs.submit(request.body, {
        idempotencyKey: request.headers["idempotency-key"],
      });
      const { wait = 0 } = request.query;
      if (wait > 0) {
        const signal = AbortSignal.any([context.stopping, AbortSignal.timeout(Math.ceil(wait * 1_000))]);
        await runs.result(runId, signal);
      }
      const { run } = await runs.get(runId);
      const result = await runs.resultNow(runId);
      const isOver = run.status === "succeeded" || run.status === "failed" || run.status === "cancelled";
      reply.code(wait > 0 && isOver ? 200 : 202).header("location", `/v1/runs/${runId}`);
      return wholeRun(run, result);
    },
  });

  app.route({
    method: "GET",
    url: "/v1/runs",
    config: { scope: "read" },
    schema: {
      operationId: "listRuns",
      tags: ["runs"],
      querystring: z.object({
        status: z.enum(RUN_STATUSES).default("running"),
        limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(20),
      }),
      response: {
        200: z.object({ data: z.array(wireRunSchema) }),
        "4xx": problemSchema,
        "5xx": problemSchema,
      },
    },
    async handler(request) {
      const { status, limit }: { status: RunStatus; limit: number } = request.query;
      const data = await Array.fromAsync(context.runsOf(request).select({ status, limit }), wireRun);
      return { data };
    },
  });

  app.route({
    method: "GET",
    url: "/v1/runs/:id",
    config: { scope: "read" },
    schema: {
      operationId: "getRun",
      tags: ["runs"],
      params: idParams,
      response: { 200: runWithResult, "4xx": problemSchema, "5xx": problemSchema },
    },
    async handler(request) {
      const runs = context.runsOf(request);
      const { run, spec } = await runs.get(request.params.id);
      const result = await runs.resultNow(request.params.id);
      return wholeRun(run, result, spec);
    },
  });
}
