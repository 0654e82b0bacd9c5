/** `GET /v1/runs/:id` and its conversation. */
import { runIdSchema, wireItem, wireItemSchema } from "@baton/core";
import { CONVERSATION_PAGE_BYTES } from "@baton/producer";
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { etagOf, isFresh } from "../etag.ts";
import { PROBLEMS } from "../problem.ts";
import { queryNumberOr } from "../query-values.ts";
import { runFacts, runView, runViewSchema } from "./run-view.ts";
import { waitForRun, waitSeconds } from "./wait-for-run.ts";

export const runParams = z.object({ id: runIdSchema.describe("The run's id.") });

const ITEMS_MAX = 200;

export function addOneRun(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "GET",
    url: "/v1/runs/:id",
    config: { scope: "read" },
    schema: {
      operationId: "getRun",
      tags: ["runs"],
      summary: "One run, with phases, usage and result",
      params: runParams,
      querystring: z.strictObject({ wait: waitSeconds }),
      headers: z.object({
        "if-none-match": z.string().max(1_000).optional().describe("An `ETag`: 304 when nothing changed."),
      }),
      response: {
        200: runViewSchema,
        304: z.undefined().describe("Nothing changed since the answer with this ETag."),
        ...PROBLEMS,
      },
    },
    async handler(request, reply) {
      const runs = context.runsOf(request);
      const facts = await runFacts(
        runs,
        await waitForRun(context, reply, request.params.id, request.query.wait),
      );
      const { wire, notice, spec } = facts;
      const etag = etagOf({ wire, notice, spec });
      reply.header("etag", etag).header("cache-control", "private, no-cache");
      if (isFresh(request.headers["if-none-match"], etag)) return reply.code(304).send();
      return runView(runs, facts);
    },
  });
  addConversation(app, context);
}

const conversationQuery = z.strictObject({
  from: queryNumberOr(0, z.int().min(0)).describe("The first item, by its place."),
  limit: queryNumberOr(50, z.int().min(1).max(ITEMS_MAX)),
});

const conversationSchema = z.object({
  data: z.array(wireItemSchema),
  next_from: z
    .int()
    .nullable()
    .describe("Where to go on; null when there is no more now. A run that goes on adds items at the end."),
});

function addConversation(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "GET",
    url: "/v1/runs/:id/conversation",
    config: { scope: "read" },
    schema: {
      operationId: "getConversation",
      tags: ["runs"],
      summary: "The conversation of a run, by pages",
      params: runParams,
      querystring: conversationQuery,
      response: { 200: conversationSchema, ...PROBLEMS },
    },
    async handler(request) {
      const runs = context.runsOf(request);
      const { id } = request.params;
      const { from, limit } = request.query;
      const { run } = await runs.get(id);
      const to = from + limit - 1;
      const items = from < run.items ? await runs.conversation(id, from, to, CONVERSATION_PAGE_BYTES) : [];
      const next = from + items.length;
      // A log that ends before its run says so: there is no more, however often it is asked for.
      const hasMore = items.length > 0 && next < run.items;
      return { data: items.map(wireItem), next_from: hasMore ? next : null };
    },
  });
}
