/** `/v1/batches`: listed and looked at; what comes in, goes out and changes them is in the files beside this one. */
import { BatonError } from "@baton/core";
import { type BatchStatus, wireBatch, wireBatchSchema } from "@baton/producer";
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { problemSchema } from "../problem.ts";
import { queryNumberOr } from "../query-values.ts";
import { addBatchActs } from "./batches-acts.ts";
import { batchParams } from "./batches-params.ts";
import { addBatchResults } from "./batches-results.ts";
import { addBatchSubmit } from "./batches-submit.ts";

const PAGE_MAX = 200;

export function addBatches(app: ApiApp, context: ApiContext): void {
  addBatchSubmit(app, context);
  addBatchList(app, context);
  addBatchLook(app, context);
  addBatchResults(app, context);
  addBatchActs(app, context);
}

function addBatchList(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "GET",
    url: "/v1/batches",
    config: { scope: "read" },
    schema: {
      operationId: "listBatches",
      tags: ["batches"],
      summary: "List batches, newest first",
      querystring: z.strictObject({
        limit: queryNumberOr(20, z.int().min(1).max(PAGE_MAX)),
        cursor: z.string().max(400).optional().describe("The `next_cursor` of the page before."),
      }),
      response: {
        200: z.object({ data: z.array(wireBatchSchema), next_cursor: z.string().nullable() }),
        "4xx": problemSchema,
        "5xx": problemSchema,
      },
    },
    async handler(request) {
      const { limit, cursor } = request.query;
      const before = cursor === undefined ? undefined : placeOf(cursor);
      const found: BatchStatus[] = [];
      let hasMore = false;
      for await (const status of context.runsOf(request).batches({ before })) {
        hasMore = found.length === limit;
        if (hasMore) break;
        found.push(status);
      }
      const last = found.at(-1);
      return {
        data: found.map(wireBatch),
        next_cursor: hasMore && last !== undefined ? cursorOf(last) : null,
      };
    },
  });
}

function addBatchLook(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "GET",
    url: "/v1/batches/:id",
    config: { scope: "read" },
    schema: {
      operationId: "getBatch",
      tags: ["batches"],
      summary: "What the runs of a batch do, and what they spent",
      params: batchParams,
      response: { 200: wireBatchSchema, "4xx": problemSchema, "5xx": problemSchema },
    },
    async handler(request) {
      return wireBatch(await context.runsOf(request).batchStatus(request.params.id));
    },
  });
}

function cursorOf({ id, createdAt = 0 }: BatchStatus): string {
  return Buffer.from(`${createdAt} ${id}`).toString("base64url");
}

function placeOf(cursor: string): { readonly id: string; readonly at: number } {
  const [, at, id] = /^(\d{1,16}) (\S{1,129})$/.exec(Buffer.from(cursor, "base64url").toString()) ?? [];
  if (at !== undefined && id !== undefined) return { id, at: Number(at) };
  throw new BatonError("invalid_spec", "cursor is none that a page of batches had as its next_cursor", {
    fields: { field: "cursor" },
  });
}
