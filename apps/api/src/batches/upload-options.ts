/**
 * What a request says about the batch file that it brings, as the flags of `baton batch submit` do. What holds for all
 * lines is given by some query parameters, and in full by the header `Baton-Defaults`, the JSON of a run spec without its
 * input; a parameter goes over the header, and a line over both.
 */
import { BatonError, type Budget, describeIssues, storedSpecSchema } from "@baton/core";
import type { ReadBatchOptions, SpecDefaults } from "@baton/producer";
import { z } from "zod";
import { HttpProblem, invalidRequest } from "../problem.ts";
import { queryFlag, queryNumber } from "../query-values.ts";

/** A longer one would be a body rather than a line, and all of one is held at a time. */
const LINE_BYTES_MAX = 33_554_432;
const WEIGHT = { min: 0.001, max: 1_000 };

const many = z.union([z.string(), z.array(z.string())]).optional();

export const uploadQuerySchema = z.strictObject({
  id: z
    .string()
    .regex(
      /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/,
      "1 to 64 letters, digits, dots, dashes, underscores, and no dot first",
    )
    .optional()
    .describe("Absent: made from what the file says, so that the same file is the same batch."),
  format: z.enum(["jsonl", "csv"]).optional().describe("Absent: told by the content type and `template`."),
  template: z
    .string()
    .max(8_000)
    .optional()
    .describe("For CSV: the input of each run, such as `Research {{company}}`."),
  line_bytes_max: queryNumber(z.int().min(1).max(LINE_BYTES_MAX)).optional(),
  weight: queryNumber(z.number().min(WEIGHT.min).max(WEIGHT.max))
    .optional()
    .describe("Its share of each pool, beside 1 for another batch."),
  budget_usd: queryNumber(z.number().positive()).optional(),
  budget_tokens: queryNumber(z.int().min(1)).optional(),
  run_at: z.iso
    .datetime({ offset: true })
    .optional()
    .describe("Starts none of its runs before. Holds from the first submission on."),
  skip_invalid: queryFlag.describe("Submits the lines that are right, and leaves out the others."),
  check: queryFlag.describe("Checks the file and submits nothing."),
  model: many.describe("A model for lines that name none; again for more."),
  mcp_servers: many.describe("An MCP server for lines that name none; again for more."),
  tools: many.describe("A function tool for lines that name none; again for more."),
  instructions: z.string().max(8_000).optional().describe("System instructions of lines that have none."),
});
export type UploadQuery = z.infer<typeof uploadQuerySchema>;

export const uploadHeadersSchema = z.object({
  "baton-defaults": z
    .string()
    .optional()
    .describe("Fields of a run spec for lines that do not say them, as JSON; not ASCII is written as \\u…."),
});

export interface UploadOptions {
  readonly id: string | undefined;
  readonly isCheck: boolean;
  readonly skipInvalid: boolean;
  readonly reading: ReadBatchOptions;
  readonly opening: {
    readonly weight: number | undefined;
    readonly budget: Budget | undefined;
    readonly runAt: number | undefined;
  };
}

/** Throws `invalid_spec` for what says nothing that can be done. */
export function readUploadOptions(
  query: UploadQuery,
  defaultsHeader: string | undefined,
  contentType: string | undefined,
): UploadOptions {
  const { template, budget_tokens: tokens, budget_usd: usd, run_at: runAt } = query;
  const isCsv = template !== undefined || contentType?.split(";", 1)[0]?.trim().toLowerCase() === "text/csv";
  const format = query.format ?? (isCsv ? "csv" : "jsonl");
  if (template !== undefined && format === "jsonl") {
    throw invalidRequest(
      "querystring",
      "template is for CSV: a line of JSON says its input itself",
      "template",
    );
  }
  const hasBudget = tokens !== undefined || usd !== undefined;
  return {
    id: query.id,
    isCheck: query.check,
    skipInvalid: query.skip_invalid,
    reading: {
      format,
      template,
      defaults: defaultsOf(query, defaultsHeader),
      lineBytesMax: query.line_bytes_max,
    },
    opening: {
      weight: query.weight,
      budget: hasBudget ? { tokens, usd } : undefined,
      runAt: runAt === undefined ? undefined : Date.parse(runAt),
    },
  };
}

function defaultsOf({ model, mcp_servers, tools, instructions }: UploadQuery, header: string | undefined) {
  const given = {
    model: listOf(model),
    mcp_servers: listOf(mcp_servers),
    tools: listOf(tools),
    instructions,
  };
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  const defaults: SpecDefaults = { ...headerDefaults(header), ...Object.fromEntries(said) };
  const checked = storedSpecSchema.safeParse(defaults);
  if (checked.success) return defaults;
  const field = checked.error.issues[0]?.path.map(String).join(".");
  throw invalidRequest("defaults", describeIssues(checked.error), field === "" ? undefined : field);
}

function headerDefaults(header: string | undefined): SpecDefaults {
  if (header === undefined) return {};
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(header));
  } catch (error) {
    const message = "invalid header: Baton-Defaults is not a JSON object";
    throw new BatonError("invalid_spec", message, { cause: error, fields: { field: "Baton-Defaults" } });
  }
}

function listOf(value: string | readonly string[] | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value].flat();
}

/** Refuses a body that is no batch file. */
export function wrongMediaType(): HttpProblem {
  const message =
    "send the lines as application/x-ndjson (or application/jsonl, text/plain), a table as text/csv";
  return new HttpProblem("unsupported_media_type", 415, message);
}
