/** The HTTP app: its bounds, its errors, its document, its routes; not listening yet. */
import { describeIssues } from "@baton/core";
import { fastifySwagger } from "@fastify/swagger";
import { type FastifyBaseLogger, fastify } from "fastify";
import { jsonSchemaTransform, serializerCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import type { Logger } from "pino";
import type { z } from "zod";
import { ANYONE } from "./access/principal.ts";
import type { ApiApp, ApiContext } from "./api-context.ts";
import { HttpProblem, invalidRequest, problemOf } from "./problem.ts";
import { addProbes } from "./routes/probes.ts";
import { addRuns } from "./routes/runs.ts";

/** A spec may carry files of 20 MB. */
const BODY_BYTES_MAX = 32 * 1024 * 1024;
const REQUEST_MS_MAX = 120_000;

export interface AppOptions {
  readonly context: ApiContext;
  readonly log: Logger;
  readonly version: string;
  /** Holds each answer against its schema, as tests do; else it is sent as it is. */
  readonly checkAnswers?: boolean | undefined;
}

export async function buildApp({ context, log, version, checkAnswers }: AppOptions): Promise<ApiApp> {
  const logger: FastifyBaseLogger = log;
  const app: ApiApp = fastify({
    loggerInstance: logger,
    disableRequestLogging: true,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    return503OnClosing: true,
    forceCloseConnections: "idle",
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(
    ({ schema, httpPart = "request" }) =>
      (value) =>
        validate(schema, httpPart, value),
  );
  app.setSerializerCompiler(checkAnswers === true ? serializerCompiler : () => JSON.stringify);
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(ofFastify(error));
    if (problem.isFault) request.log.error({ err: error, url: request.routeOptions.url }, "a request failed");
    if (problem.retryAfter !== undefined) reply.header("retry-after", String(problem.retryAfter));
    return reply.code(problem.status).send(problem.body);
  });
  app.setNotFoundHandler((request, reply) => {
    const message = `there is no ${request.method} ${request.url.split("?", 1)[0]}: /openapi.json lists what there is`;
    return reply.code(404).send({ error: { code: "not_found", message } });
  });
  app.decorateRequest("principal");
  app.addHook("onRequest", async (request) => {
    request.principal = ANYONE;
  });
  await app.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Baton", version, description: "Runs LLM jobs that pass from model to model, durably." },
    },
    transform: jsonSchemaTransform,
  });
  addProbes(app, context);
  addRuns(app, context);
  app.get("/openapi.json", { schema: { hide: true } }, async () => app.swagger());
  return app;
}

function validate(schema: unknown, part: string, value: unknown) {
  // All schemas of this app are zod's, which its type provider demands.
  const parsed = (schema as z.ZodType).safeParse(value);
  if (parsed.success) return { value: parsed.data };
  const field = parsed.error.issues[0]?.path.map(String).join(".");
  return { error: invalidRequest(part, describeIssues(parsed.error), field === "" ? undefined : field) };
}

/** What Fastify itself refuses, in our words. */
function ofFastify(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  switch (error.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new HttpProblem("too_large", 413, `the body is larger than ${BODY_BYTES_MAX} bytes`);
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new HttpProblem("unsupported_media_type", 415, "send application/json");
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
    case "FST_ERR_CTP_INVALID_JSON_BODY":
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return new HttpProblem("bad_request", 400, "the body is not valid JSON");
    default:
      return error;
  }
}
