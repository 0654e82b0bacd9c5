/**
 * The form that a caller wants the final text in, and how it is read. A schema that came with its parser (zod,
 * or the helpers of the SDKs) is a promise: an answer that does not fit it is an error, not a missing value.
 */
import { BatonError, describeIssues } from "@baton/core";
import type { z } from "zod";
import { jsonSchemaOf } from "./local-tools.ts";

/** What the `zodResponseFormat` helpers of the Dedalus and OpenAI SDKs make. */
export interface ParseableFormat<Parsed> {
  readonly type: "json_schema";
  readonly json_schema: object;
  readonly $parseRaw: (text: string) => Parsed;
}

export type ResponseFormatParam<Parsed> =
  | z.ZodType<Parsed>
  | ParseableFormat<Parsed>
  | { readonly type: "text" | "json_object" }
  | { readonly type: "json_schema"; readonly json_schema: object };

export interface ParsedFormat<Parsed> {
  /** As it stands in a spec. */
  readonly spec: object | undefined;
  /** Reads a final text, or throws `provider_protocol` when it does not fit; absent: nothing was promised. */
  readonly parse: ((text: string, runId: string) => Parsed) | undefined;
}

export function readFormat<Parsed>(format: ResponseFormatParam<Parsed> | undefined): ParsedFormat<Parsed> {
  if (format === undefined) return { spec: undefined, parse: undefined };
  if (isZodType(format)) {
    return { spec: zodFormat(format), parse: (text, runId) => parseWith(format, text, runId) };
  }
  if (format.type !== "json_schema") return { spec: format, parse: undefined };
  const spec = { type: format.type, json_schema: format.json_schema };
  if (!("$parseRaw" in format)) return { spec, parse: undefined };
  const { $parseRaw: parseRaw } = format;
  return {
    spec,
    parse: (text, runId) => {
      try {
        return parseRaw(text);
      } catch (error) {
        throw misfit(runId, error instanceof Error ? error.message : String(error), error);
      }
    },
  };
}

function isZodType<Parsed>(format: ResponseFormatParam<Parsed>): format is z.ZodType<Parsed> {
  return "safeParse" in format && typeof format.safeParse === "function";
}

function zodFormat(schema: z.ZodType): object {
  const json = schemaForModel(schema);
  const name = typeof json.title === "string" ? json.title.replace(/[^a-zA-Z0-9_-]+/g, "_").slice(0, 64) : "";
  return {
    type: "json_schema",
    json_schema: {
      name: name === "" ? "output" : name,
      schema: json,
      ...(isStrict(json) ? { strict: true } : {}),
    },
  };
}

/** What a schema gives is the stricter description; one that transforms its input can only tell that. */
function schemaForModel(schema: z.ZodType): Record<string, unknown> {
  try {
    return jsonSchemaOf(schema, "output");
  } catch {
    try {
      return jsonSchemaOf(schema, "input");
    } catch (error) {
      throw new BatonError("invalid_spec", "responseFormat: JSON Schema cannot express this schema", {
        cause: error,
      });
    }
  }
}

/** Whether every object names all its properties as required and no others: what strict decoding asks for. */
function isStrict(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.every(isStrict);
  if (typeof schema !== "object" || schema === null) return true;
  if ("type" in schema && schema.type === "object") {
    const properties = "properties" in schema && schema.properties ? Object.keys(schema.properties) : [];
    const required: unknown[] = "required" in schema && Array.isArray(schema.required) ? schema.required : [];
    const closed = "additionalProperties" in schema && schema.additionalProperties === false;
    if (!closed || !properties.every((name) => required.includes(name))) return false;
  }
  return Object.values(schema).every(isStrict);
}

function parseWith<Parsed>(schema: z.ZodType<Parsed>, text: string, runId: string): Parsed {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw misfit(runId, "it is not JSON", error);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw misfit(runId, describeIssues(parsed.error), parsed.error);
}

function misfit(runId: string, what: string, cause: unknown): BatonError {
  return new BatonError("provider_protocol", `the final output does not fit responseFormat: ${what}`, {
    cause,
    fields: { runId },
  });
}
