/** The calls of the API, as its own document lists them, and those of MCP, which no document of this kind has. */
import { z } from "zod";
import type { JsonSchema, Schemas } from "./schema-values.ts";

const schema = z.record(z.string(), z.unknown());

const documentSchema = z.looseObject({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({
        operationId: z.string(),
        parameters: z
          .array(
            z.looseObject({
              name: z.string(),
              in: z.enum(["path", "query", "header", "cookie"]),
              required: z.boolean().optional(),
              schema,
            }),
          )
          .default([]),
        requestBody: z
          .looseObject({ content: z.record(z.string(), z.looseObject({ schema: schema.default({}) })) })
          .optional(),
      }),
    ),
  ),
  components: z.looseObject({ schemas: z.record(z.string(), schema) }),
});

export interface Parameter {
  readonly name: string;
  readonly schema: JsonSchema;
}

export interface Operation {
  readonly id: string;
  readonly method: string;
  /** With `{name}` where a parameter stands. */
  readonly path: string;
  readonly query: readonly Parameter[];
  readonly headers: readonly Parameter[];
  /** Absent: it takes none. */
  readonly body: JsonSchema | undefined;
}

export interface Surface {
  readonly operations: readonly Operation[];
  readonly schemas: Schemas;
}

const MCP: readonly Operation[] = ["POST", "GET", "DELETE"].map((method) => ({
  id: `mcp${method}`,
  method,
  path: "/mcp",
  query: [],
  headers: [],
  body: method === "POST" ? {} : undefined,
}));

export function surfaceOf(document: unknown): Surface {
  const { paths, components } = documentSchema.parse(document);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId: id, parameters, requestBody }]): Operation => {
      const content = Object.values(requestBody?.content ?? {})[0];
      return {
        ...{ id, method: method.toUpperCase(), path },
        query: parameters.filter((one) => one.in === "query"),
        headers: parameters.filter((one) => one.in === "header"),
        body: content?.schema,
      };
    }),
  );
  return { operations: [...operations, ...MCP], schemas: components.schemas };
}
