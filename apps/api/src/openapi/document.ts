/**
 * The OpenAPI 3.1 document, made of the schemas that requests are parsed by and answers are written by. What those cannot
 * say is added here: who may call, which headers come back, examples.
 */
import type { FastifyDynamicSwaggerOptions } from "@fastify/swagger";
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from "fastify-type-provider-zod";
import { z } from "zod";
import { nameComponents } from "./components.ts";
import { asJson, type Json } from "./json.ts";
import { neededComponents } from "./needed-components.ts";
import { headersNamed, refusalComponents, withRefusals } from "./refusals.ts";
import {
  BODIES,
  EXAMPLES,
  HEADERS,
  HEADERS_OF,
  HEADERS_OF_KEYS,
  HEADERS_OF_ROUTES,
  META,
  PARAMETERS,
} from "./said-of-calls.ts";
import { addStreams } from "./said-of-streams.ts";
import { tidied } from "./tidied.ts";

/** Of a call whose body may be left out; gone in the end. */
const OPTIONAL_BODY = "x-optional-body";

export function openApiOptions(version: string): FastifyDynamicSwaggerOptions {
  nameComponents();
  const toJson = createJsonSchemaTransform({ zodToJsonConfig: { override: leaveOpen } });
  const addComponents = createJsonSchemaTransformObject({ zodToJsonConfig: { override: leaveOpen } });
  return {
    openapi: {
      openapi: "3.1.0",
      info: { ...META.info, version },
      // Wherever the document was read.
      servers: [{ url: "/" }],
      tags: META.tags,
      components: {
        securitySchemes: META.securitySchemes,
        headers: HEADERS,
        responses: refusalComponents([...HEADERS_OF_ROUTES, ...HEADERS_OF_KEYS]),
      },
    },
    transform(document) {
      const { schema, url } = toJson(document);
      const { scope } = document.route.config ?? {};
      const said = document.schema?.body;
      const security: Record<string, string[]>[] = scope === undefined ? [] : [{ apiKey: [] }, {}];
      return {
        url,
        schema: {
          ...schema,
          security,
          ...(scope === undefined ? {} : { "x-scope": scope }),
          ...(said instanceof z.ZodOptional ? { [OPTIONAL_BODY]: true } : {}),
        },
      };
    },
    transformObject: (document) => neededComponents(completed(tidied(addComponents(document)))),
  };
}

/** An answer may have more fields one day: a client that was made of this document is not to break then. */
function leaveOpen({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodTypes; jsonSchema: Json }): void {
  const { def } = zodSchema._zod;
  if (def.type === "object" && def.catchall === undefined) delete jsonSchema.additionalProperties;
}

function completed(document: Json): Json {
  for (const [path, methods] of Object.entries(asJson(document.paths))) {
    for (const operation of Object.values(asJson(methods))) complete(path, asJson(operation));
  }
  return document;
}

function complete(path: string, operation: Json): void {
  const id = String(operation.operationId ?? "");
  if (BODIES[id] !== undefined) operation.requestBody = BODIES[id];
  if (PARAMETERS[id] !== undefined) {
    operation.parameters = [
      ...(Array.isArray(operation.parameters) ? operation.parameters : []),
      ...PARAMETERS[id],
    ];
  }
  addStreams(id, asJson(operation.responses));
  if (operation[OPTIONAL_BODY] === true) asJson(operation.requestBody).required = false;
  delete operation[OPTIONAL_BODY];
  const example = EXAMPLES[id];
  if (example !== undefined) addExample(asJson(operation.requestBody), example);
  for (const [status, answer] of Object.entries(asJson(operation.responses))) {
    const response = asJson(answer);
    if (response.description === "Default Response") response.description = META.answers[status] ?? "Done.";
    if (status === "204" || status === "304") delete response.content;
    response.headers = headersNamed([
      ...(HEADERS_OF[id]?.[status] ?? []),
      ...HEADERS_OF_ROUTES,
      ...(operation["x-scope"] === undefined ? [] : HEADERS_OF_KEYS),
    ]);
  }
  operation.responses = withRefusals(path, operation);
}

function addExample(body: Json, example: unknown): void {
  for (const media of Object.values(asJson(body.content))) asJson(media).example = example;
}
