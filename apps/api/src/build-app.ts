/** The HTTP app: its bounds, its errors, its document, its routes; nobody comes in before its doorway is opened. */

import { randomUUID } from "node:crypto";
import { describeIssues } from "@baton/core";
import { fastifySwagger } from "@fastify/swagger";
import { type FastifyBaseLogger, fastify, LogController } from "fastify";
import { serializerCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import type { Logger } from "pino";
import type { z } from "zod";
import { addAuthentication } from "./access/authenticate.ts";
import type { Gate } from "./access/gate.ts";
import { modelPath } from "./answers/model-path.ts";
import type { ApiApp, ApiContext } from "./api-context.ts";
import { addAvailability } from "./availability/gate.ts";
import type { Doorway } from "./doorway/doorway.ts";
import { ofFastify } from "./fastify-errors.ts";
import { addAnswerHeaders } from "./hardening/answer-headers.ts";
import { addJsonBodies } from "./hardening/json-body.ts";
import { addRequestLog } from "./hardening/request-log.ts";
import { appOptions } from "./hardening/server-bounds.ts";
import { refuseUnknownParameters } from "./known-parameters.ts";
import { meterApi } from "./metrics/api-meters.ts";
import { answerUnsent } from "./ndjson/answer-unsent.ts";
import { openApiOptions } from "./openapi/document.ts";
import { refusePackedBodies } from "./packed-bodies.ts";
import { poolPath } from "./pool-path.ts";
import { invalidRequest, problemOf } from "./problem.ts";
import { addBatches } from "./routes/batches.ts";
import { addChat } from "./routes/chat.ts";
import { addEvents } from "./routes/events.ts";
import { addMcp } from "./routes/mcp.ts";
import { addModels } from "./routes/models.ts";
import { addOpenApi } from "./routes/openapi.ts";
import { addPools } from "./routes/pools.ts";
import { addMetrics, addProbes } from "./routes/probes.ts";
import { addResponses } from "./routes/responses.ts";
import { addRuns } from "./routes/runs.ts";
import { answerUnknownPaths } from "./unknown-paths.ts";

export interface AppOptions {
  readonly context: ApiContext;
  /** Where it listens; closed with the app. */
  readonly doorway: Doorway;
  /** Who may come in; closed with the app. */
  readonly gate: Gate;
  readonly log: Logger;
  readonly version: string;
  /** Holds each answer against its schema, as tests do; else it is sent as it is. */
  readonly checkAnswers?: boolean | undefined;
}

export async function buildApp(options: AppOptions): Promise<ApiApp> {
  const { context, doorway, gate, log, version, checkAnswers } = options;
  const { api } = context.config;
  const logger: FastifyBaseLogger = log;
  const app: ApiApp = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    ...appOptions(api),
    serverFactory: () => doorway.server,
    // The doorway's servers answer them.
    clientErrorHandler: () => undefined,
    rewriteUrl: ({ url = "/" }) => modelPath(poolPath(url)),
    genReqId: () => randomUUID(),
    // The gate of `availability` says it in our words.
    return503OnClosing: false,
  }).withTypeProvider<ZodTypeProvider>();
  // Before anything of the app is closed that an answer may need.
  app.addHook("preClose", () => doorway.close());
  app.setValidatorCompiler(
    ({ schema, httpPart = "request" }) =>
      (value) =>
        validate(schema, httpPart, value),
  );
  app.setSerializerCompiler(checkAnswers === true ? serializerCompiler : () => JSON.stringify);
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(ofFastify(error));
    if (problem.isFault) request.log.error({ err: error, url: request.routeOptions.url }, "a request failed");
    if (reply.sent) return answerUnsent(reply, problem);
    if (problem.retryAfter !== undefined) reply.header("retry-after", String(problem.retryAfter));
    return reply.code(problem.status).send(problem.body);
  });
  answerUnknownPaths(app);
  const metrics = meterApi(app, { store: context.store, clock: () => performance.now() });
  addRequestLog(app);
  addJsonBodies(app);
  await addAnswerHeaders(app, api);
  // Before what asks Redis who the caller is.
  addAvailability(app, context);
  addAuthentication(app, gate, api);
  refusePackedBodies(app);
  refuseUnknownParameters(app);
  await app.register(fastifySwagger, openApiOptions(version));
  addProbes(app, context);
  addMetrics(app, metrics);
  addRuns(app, context);
  addPools(app, context);
  addBatches(app, context);
  addEvents(app, context);
  addChat(app, context);
  addResponses(app, context);
  addModels(app, context);
  addMcp(app, context, version);
  addOpenApi(app);
  return app;
}

function validate(schema: unknown, part: string, value: unknown) {
  // A body that was not sent is null here, and absent to a schema.
  const given = part === "body" && value === null ? undefined : value;
  // All schemas of this app are zod's, which its type provider demands.
  const parsed = (schema as z.ZodType).safeParse(given);
  if (parsed.success) return { value: parsed.data };
  const field = parsed.error.issues[0]?.path.map(String).join(".");
  return { error: invalidRequest(part, describeIssues(parsed.error), field === "" ? undefined : field) };
}
