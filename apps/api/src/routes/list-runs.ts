/** `GET /v1/runs`: newest first, by pages. */
import { RUN_STATUSES, type RunStatus, WAIT_REASONS, wireRun, wireRunSchema } from "@baton/core";
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { PROBLEMS } from "../problem.ts";
import { queryNumberOr } from "../query-values.ts";

const PAGE_MAX = 200;
/** As people write it, `metadata.team=travel`; or as generated clients do, `metadata[team]=travel`. */
const METADATA = /^metadata(?:\.(?<dotted>.+)|\[(?<bracketed>.+)\])$/s;

const filters = z
  .object({
    status: z.enum(RUN_STATUSES).optional().describe("Only of this status; absent: of any."),
    model: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .describe("The model that has the run, or had it last; * at the end stands for any rest."),
    batch: z.string().min(1).max(200).optional().describe("Only of this batch."),
    reason: z.enum(WAIT_REASONS).optional().describe("What waiting runs wait for."),
    error: z.string().min(1).max(64).optional().describe("The code that failed runs ended with."),
    limit: queryNumberOr(20, z.int().min(1).max(PAGE_MAX)),
    cursor: z.string().min(1).max(200).optional().describe("`next_cursor` of the page before."),
  })
  .catchall(z.string().max(512).describe("`metadata.<key>`: only runs whose metadata has this value."))
  .superRefine((query, context) => {
    const fail = (path: string, message: string) =>
      context.addIssue({ code: "custom", path: [path], message });
    for (const name of Object.keys(query)) {
      if (!Object.hasOwn(filters.shape, name) && labelOf(name) === undefined) {
        fail(name, `there is no such filter: use ${Object.keys(filters.shape).join(", ")}, metadata.<key>`);
      }
    }
    const { status = query.reason === undefined ? "failed" : "waiting" } = query;
    if (query.reason !== undefined && status !== "waiting") fail("reason", "only waiting runs have one");
    if (query.error !== undefined && status !== "failed") fail("error", "only failed runs have one");
  });

const pageSchema = z.object({
  data: z.array(wireRunSchema),
  next_cursor: z.string().nullable().describe("Where to go on; null when this is the last page."),
});

export function addListRuns(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "GET",
    url: "/v1/runs",
    config: { scope: "read" },
    schema: {
      operationId: "listRuns",
      tags: ["runs"],
      summary: "List runs, newest first",
      description:
        "A page stays where it is while runs come and go. `metadata.<key>=<value>` finds runs by their metadata. Filters other than `status` and `batch` are looked for among a bounded number of runs a page: such a page may be short, or empty, and still have a `next_cursor`.",
      querystring: filters,
      response: { 200: pageSchema, ...PROBLEMS },
    },
    async handler(request) {
      const { status, model, batch, reason, error, limit, cursor, ...rest } = request.query;
      const { runs, cursor: next } = await context.runsOf(request).page({
        status: status ?? impliedStatus({ reason, error }),
        pool: model,
        batch,
        reason,
        error,
        metadata: metadataIn(rest),
        limit,
        cursor,
      });
      return { data: runs.map(wireRun), next_cursor: next ?? null };
    },
  });
}

function impliedStatus(query: {
  readonly reason?: string | undefined;
  readonly error?: string | undefined;
}): RunStatus | undefined {
  if (query.reason !== undefined) return "waiting";
  return query.error === undefined ? undefined : "failed";
}

function metadataIn(rest: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  // The schema lets no other names through.
  return Object.fromEntries(Object.entries(rest).map(([name, value]) => [labelOf(name) ?? name, value]));
}

/** The key of the metadata that a parameter names; undefined for another parameter. */
function labelOf(name: string): string | undefined {
  const { dotted, bracketed } = METADATA.exec(name)?.groups ?? {};
  return dotted ?? bracketed;
}
