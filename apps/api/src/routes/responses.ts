/**
 * `/v1/responses`: OpenAI's other endpoint, with a durable run behind each response. A response is the run itself, so one
 * that was asked for in the background, or whose client left, is looked up and cancelled by its id.
 */
import type { RunId } from "@baton/core";
import type { RunService } from "@baton/producer";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import { ANSWER_HEADERS, BEGIN_MS, boundsOf } from "../answers/asking.ts";
import { attachRun } from "../answers/attach-run.ts";
import { awaitRun } from "../answers/await-run.ts";
import { openAiErrors, RUN_ID_HEADER } from "../answers/error-handler.ts";
import { OpenAiProblem, openAiErrorSchema } from "../answers/openai-problem.ts";
import { streamAnswer } from "../answers/stream-answer.ts";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { clientLeft } from "../client-left.ts";
import { withReferredItems } from "../responses/item-references.ts";
import { errorEvent } from "../responses/output-writer.ts";
import { beginWith } from "../responses/previous-response.ts";
import { readResponseRequest, rethrowInOwnWords } from "../responses/read-response-request.ts";
import {
  endingOf,
  type Response,
  responseNow,
  responseSchema,
  wholeResponse,
} from "../responses/response.ts";
import { responseEvents } from "../responses/response-events.ts";
import { runOfResponse } from "../responses/response-ids.ts";
import { frameOf } from "../sse/frames.ts";

const ANSWERS = {
  200: responseSchema.describe("With `stream`, server-sent events of the response instead."),
  "4xx": openAiErrorSchema,
  "5xx": openAiErrorSchema,
};

const params = z.object({ id: z.string().min(1).max(100).describe("The response's id.") });

export function addResponses(app: ApiApp, context: ApiContext): void {
  addCreate(app, context);
  addRetrieve(app, context);
  addCancel(app, context);
}

function addCreate(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "POST",
    url: "/v1/responses",
    config: { scope: "submit" },
    errorHandler: openAiErrors,
    schema: {
      operationId: "createResponse",
      tags: ["openai"],
      summary: "Answer a response request by a durable run",
      headers: ANSWER_HEADERS,
      body: z
        .looseObject({
          model: z.unknown().describe("A model, or a list of models of which the first coordinates."),
        })
        .describe("OpenAI's response request; docs/openai-compatible.md lists the fields."),
      response: ANSWERS,
    },
    async handler(request, reply) {
      const {
        "idempotency-key": idempotencyKey,
        traceparent: trace,
        "x-baton-stream": pace,
      } = request.headers;
      const runs = context.runsOf(request);
      const body = await withReferredItems(runs, request.body, context.config.api.bodyBytesMax);
      const { spec, previousId, stream, background } = readResponseRequest(body, context.config);
      const begun =
        previousId === undefined ? { spec, continues: undefined } : await beginWith(runs, previousId, spec);
      const { runId } = await attachRun(runs, begun.spec, {
        ...{ idempotencyKey, trace, endpoint: "responses" },
        continues: begun.continues,
      }).catch(rethrowInOwnWords);
      const asked = { context, reply, runs, runId };
      reply.header(RUN_ID_HEADER, runId);
      if (stream) return sendEvents(asked, { whole: pace === "turns", beginMs: background ? 0 : BEGIN_MS });
      return background ? now(asked) : wholeAnswer(asked);
    },
  });
}

function addRetrieve(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "GET",
    url: "/v1/responses/:id",
    config: { scope: "read" },
    errorHandler: openAiErrors,
    schema: {
      operationId: "getResponse",
      tags: ["openai"],
      summary: "Look a response up, as it is now or as a stream from its beginning",
      params,
      querystring: z.object({
        stream: z.enum(["true", "false"]).default("false"),
        starting_after: z.string().optional().describe("Not supported: a stream is numbered anew."),
      }),
      headers: ANSWER_HEADERS.pick({ "x-baton-stream": true }),
      response: ANSWERS,
    },
    async handler(request, reply) {
      const { stream, starting_after: after } = request.query;
      if (after !== undefined) {
        const message = "starting_after is not supported: read the stream from its beginning";
        throw new OpenAiProblem({ status: 400, code: "unsupported", message, param: "starting_after" });
      }
      const asked = await found(context, reply, context.runsOf(request), request.params.id);
      if (stream === "false") return now(asked);
      return sendEvents(asked, { whole: request.headers["x-baton-stream"] === "turns", beginMs: 0 });
    },
  });
}

function addCancel(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "POST",
    url: "/v1/responses/:id/cancel",
    config: { scope: "submit" },
    errorHandler: openAiErrors,
    schema: {
      operationId: "cancelResponse",
      tags: ["openai"],
      summary: "End a response now",
      params,
      response: ANSWERS,
    },
    async handler(request, reply) {
      const asked = await found(context, reply, context.runsOf(request), request.params.id);
      const { run } = await asked.runs.get(asked.runId);
      // Sent twice it does no harm, as OpenAI has it.
      if (run.status !== "cancelled") await asked.runs.cancel(asked.runId);
      return now(asked);
    },
  });
}

interface Asked {
  readonly context: ApiContext;
  readonly reply: FastifyReply;
  readonly runs: RunService;
  readonly runId: RunId;
}

/** The response of that id, which the request may see. Throws `not_found`. */
async function found(context: ApiContext, reply: FastifyReply, runs: RunService, id: string): Promise<Asked> {
  const runId = runOfResponse(id);
  if (runId === undefined) {
    throw new OpenAiProblem({
      status: 404,
      code: "not_found",
      message: `there is no response ${id}`,
      param: "id",
    });
  }
  await runs.get(runId);
  reply.header(RUN_ID_HEADER, runId);
  return { context, reply, runs, runId };
}

async function now({ runs, runId }: Asked): Promise<Response> {
  const { run, spec } = await runs.get(runId);
  return responseNow({ run, spec, items: await runs.conversation(runId) });
}

/** Throws what the run failed with. */
async function wholeAnswer({ context, reply, runs, runId }: Asked): Promise<Response> {
  const signal = AbortSignal.any([context.stopping, clientLeft(reply)]);
  const run = await awaitRun(runs, runId, boundsOf(context), signal);
  const [{ spec }, items] = await Promise.all([runs.get(runId), runs.conversation(runId)]);
  const ending = endingOf(run, spec, items, signal.aborted);
  if (ending instanceof OpenAiProblem) throw ending;
  return wholeResponse({ run, spec, items, ending });
}

function sendEvents(
  { context, reply, runs, runId }: Asked,
  { whole, beginMs }: { readonly whole: boolean; readonly beginMs: number },
): Promise<FastifyReply> {
  const options = { ...boundsOf(context), whole, beginMs };
  let sent = 0;
  return streamAnswer(
    reply,
    (signal) => responseEvents(runs, runId, options, signal),
    (event) => {
      sent = event.sequence_number + 1;
      return frameOf({ event: event.type, data: event });
    },
    {
      ...{ pace: context.streamPace, headersMs: BEGIN_MS, done: "", stopping: context.stopping },
      errorData: (problem) => errorEvent(problem, sent),
    },
  );
}
