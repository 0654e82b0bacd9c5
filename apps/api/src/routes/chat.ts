/**
 * `POST /v1/chat/completions`: OpenAI's and Dedalus' endpoint, with a durable run behind each request. The run lives on
 * whatever becomes of the connection or of this process; the same `Idempotency-Key` finds it again.
 */
import { isTerminal, type RunId } from "@baton/core";
import type { RunService } from "@baton/producer";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import { ANSWER_HEADERS, BEGIN_MS, boundsOf } from "../answers/asking.ts";
import { attachRun } from "../answers/attach-run.ts";
import { awaitRun } from "../answers/await-run.ts";
import { openAiErrors, RUN_ID_HEADER } from "../answers/error-handler.ts";
import { openAiErrorSchema } from "../answers/openai-problem.ts";
import { streamAnswer } from "../answers/stream-answer.ts";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { type Completion, completionOf, completionSchema } from "../chat/completion.ts";
import { completionChunks } from "../chat/completion-chunks.ts";
import { type ChatRequest, readChatRequest } from "../chat/read-request.ts";
import { clientLeft } from "../client-left.ts";
import { frameOf } from "../sse/frames.ts";

const requestSchema = z
  .looseObject({
    model: z
      .unknown()
      .describe(
        "A model, or a list of models of which the first coordinates; each a name or {model, settings}.",
      ),
  })
  .describe("OpenAI's chat completion request, and Dedalus' fields; docs/openai-compatible.md lists them.");

export function addChat(app: ApiApp, context: ApiContext): void {
  app.route({
    method: "POST",
    url: "/v1/chat/completions",
    config: { scope: "submit" },
    errorHandler: openAiErrors,
    schema: {
      operationId: "createChatCompletion",
      tags: ["openai"],
      summary: "Answer a chat completion request by a durable run",
      headers: ANSWER_HEADERS,
      body: requestSchema,
      response: {
        200: completionSchema.describe("With `stream`, server-sent events of chat.completion.chunk instead."),
        "4xx": openAiErrorSchema,
        "5xx": openAiErrorSchema,
      },
    },
    async handler(request, reply) {
      const {
        "idempotency-key": idempotencyKey,
        traceparent: trace,
        "x-baton-stream": pace,
      } = request.headers;
      const asked = readChatRequest(request.body, context.config);
      const runs = context.runsOf(request);
      const { runId } = await attachRun(runs, asked.spec, { idempotencyKey, trace, endpoint: "chat" });
      reply.header(RUN_ID_HEADER, runId);
      if (asked.stream) {
        await sendChunks({ context, reply, runs, runId }, asked, pace === "turns");
        return reply;
      }
      return wholeAnswer({ context, reply, runs, runId });
    },
  });
}

interface Answering {
  readonly context: ApiContext;
  readonly reply: FastifyReply;
  readonly runs: RunService;
  readonly runId: RunId;
}

async function wholeAnswer({ context, reply, runs, runId }: Answering): Promise<Completion> {
  const signal = AbortSignal.any([context.stopping, clientLeft(reply)]);
  const run = await awaitRun(runs, runId, boundsOf(context), signal);
  // One that goes on has no answer to look for, and an API that stops has very many such.
  const [{ spec }, items] = await Promise.all([
    runs.get(runId),
    isTerminal(run.status) ? runs.conversation(runId) : [],
  ]);
  return completionOf(run, spec, items, signal.aborted);
}

function sendChunks(
  { context, reply, runs, runId }: Answering,
  asked: ChatRequest,
  whole: boolean,
): Promise<FastifyReply> {
  const options = { ...boundsOf(context), whole, includeUsage: asked.includeUsage };
  return streamAnswer(
    reply,
    (signal) => completionChunks(runs, runId, options, signal),
    (chunk) => frameOf({ data: chunk }),
    {
      pace: context.streamPace,
      headersMs: BEGIN_MS,
      done: "data: [DONE]\n\n",
      stopping: context.stopping,
    },
  );
}
