/** What came of the runs of a batch, as JSON lines: also while others still run, and from any line on. */
import { BatonError, runIdSchema, runResultSchema } from "@baton/core";
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { NDJSON, sendLines } from "../ndjson/send-lines.ts";
import { problemSchema } from "../problem.ts";
import { queryFlag } from "../query-values.ts";
import { batchParams } from "./batches-params.ts";

const HEARTBEAT_MS = 10_000;

const cursor = z.string().describe("Goes on behind this line, as `after` in the same order.");

/** A line of the results, and one of the errors. */
export const batchResultSchema = runResultSchema.extend({ cursor });
export const batchErrorSchema = z.object({
  id: runIdSchema,
  custom_id: z.string().optional(),
  error: z.object({ code: z.string(), message: z.string() }),
  cursor,
});

const ENDED = ["succeeded", "failed", "cancelled"] as const;

const orderQuery = z.strictObject({
  order: z
    .enum(["input", "finished"])
    .default("input")
    .describe("`input`: as the lines of the file are. `finished`: as the runs ended."),
  follow: queryFlag.describe(
    "With `order=finished`: goes on until the batch is over. An empty line is sent when none comes for ten seconds.",
  ),
  after: z
    .string()
    .max(4_000)
    .optional()
    .describe(
      "The `cursor` of the last line that came whole, in the same order: goes on behind it. With `order=finished` lines of the same millisecond may come again.",
    ),
});
type Order = z.infer<typeof orderQuery>;

const resultsQuery = orderQuery.extend({
  status: z.union([z.enum(ENDED), z.array(z.enum(ENDED))]).optional(),
});

export function addBatchResults(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "GET",
    url: "/v1/batches/:id/results",
    config: { scope: "read" },
    exposeHeadRoute: false,
    schema: {
      operationId: "getBatchResults",
      tags: ["batches"],
      summary: "The results of the runs that have ended, as JSON lines",
      params: batchParams,
      querystring: resultsQuery,
      response: {
        200: lines("A result each, with its `cursor`. The connection is cut when not all could be sent."),
        "4xx": problemSchema,
        "5xx": problemSchema,
      },
    },
    async handler(request, reply) {
      const { id } = request.params;
      const runs = context.runsOf(request);
      const { status, ...query } = request.query;
      const order = orderOf(query);
      const statuses = status === undefined ? undefined : [status].flat();
      await runs.batchStatus(id);
      await sendLines(reply, (signal) => runs.batchResults(id, { ...order, statuses }, signal), {
        stopping: context.stopping,
        heartbeatMs: order.follow ? HEARTBEAT_MS : undefined,
      });
    },
  });

  app.route({
    method: "GET",
    url: "/v1/batches/:id/errors",
    config: { scope: "read" },
    exposeHeadRoute: false,
    schema: {
      operationId: "getBatchErrors",
      tags: ["batches"],
      summary: "The errors of the runs that failed or were cancelled, as JSON lines",
      params: batchParams,
      querystring: orderQuery,
      response: {
        200: lines('`{"id", "custom_id", "error": {"code", "message"}, "cursor"}` each.'),
        "4xx": problemSchema,
        "5xx": problemSchema,
      },
    },
    async handler(request, reply) {
      const { id } = request.params;
      const runs = context.runsOf(request);
      const order = orderOf(request.query);
      await runs.batchStatus(id);
      await sendLines(reply, (signal) => runs.batchErrors(id, order, signal), {
        stopping: context.stopping,
        heartbeatMs: order.follow ? HEARTBEAT_MS : undefined,
      });
    },
  });
}

function lines(description: string) {
  return { description, content: { [NDJSON]: { schema: z.string() } } };
}

function orderOf({ order, follow, after }: Order): Order {
  if (!follow || order === "finished") return { order, follow, after };
  throw new BatonError(
    "invalid_spec",
    "follow goes with order=finished: the order of the lines is known at the end",
    { fields: { field: "follow" } },
  );
}
