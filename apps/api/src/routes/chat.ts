/**
 * `POST /v1/chat/completions`: OpenAI's and Dedalus' endpoint, with a durable run behind each request. The run lives on
 * whatever becomes of the connection or of this process; the same `Idempotency-Key` finds it again.
 */
import { isTerminal, type RunId } from "@baton/core";
import type { RunService } from "@baton/producer";
import { isServing, listWorkers } from "@baton/store";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { attachRun } from "../chat/attach-run.ts";
import { awaitRun } from "../chat/await-run.ts";
import { callIdsOf } from "../chat/call-ids.ts";
import { type Completion, completionOf, completionSchema } from "../chat/completion.ts";
import { completionChunks } from "../chat/completion-chunks.ts";
import { openAiErrors, RUN_ID_HEADER } from "../chat/error-handler.ts";
import { openAiErrorSchema } from "../chat/openai-problem.ts";
import type { WaitBounds } from "../chat/patience.ts";
import { type ChatRequest, readChatRequest } from "../chat/read-request.ts";
import { streamAnswer } from "../chat/stream-answer.ts";
import { clientLeft } from "../client-left.ts";
import { frameOf } from "../sse/frames.ts";

/** How long a streamed answer's headers wait for its first word. */
const HEADERS_MS = 5_000;

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
      headers: z.object({
        "idempotency-key": z
          .string()
          .min(1)
          .max(500)
          .optional()
          .describe("The same key with the same body attaches to the same run."),
        traceparent: z.string().max(512).optional(),
        "x-baton-stream": z
          .enum(["live", "turns"])
          .default("live")
          .describe(
            "turns: text is streamed only when its turn is written, so that none is ever taken back.",
          ),
      }),
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
        await sendChunks({ context, reply, runs, runId, asked }, pace === "turns");
        return reply;
      }
      return wholeAnswer({ context, reply, runs, runId, asked });
    },
  });
}

interface Answering {
  readonly context: ApiContext;
  readonly reply: FastifyReply;
  readonly runs: RunService;
  readonly runId: RunId;
  readonly asked: ChatRequest;
}

async function wholeAnswer({ context, reply, runs, runId, asked }: Answering): Promise<Completion> {
  const signal = AbortSignal.any([context.stopping, clientLeft(reply)]);
  const run = await awaitRun(runs, runId, boundsOf(context), signal);
  // One that goes on has no answer to look for, and an API that stops has very many such.
  const [{ spec }, items] = await Promise.all([
    runs.get(runId),
    isTerminal(run.status) ? runs.conversation(runId) : [],
  ]);
  return completionOf(run, spec, items, {
    callIds: callIdsOf(runId, asked.spec),
    isStopping: signal.aborted,
  });
}

function sendChunks(
  { context, reply, runs, runId, asked }: Answering,
  whole: boolean,
): Promise<FastifyReply> {
  const { includeUsage, spec } = asked;
  const options = { ...boundsOf(context), whole, includeUsage, callIds: callIdsOf(runId, spec) };
  return streamAnswer(
    reply,
    (signal) => completionChunks(runs, runId, options, signal),
    (chunk) => frameOf({ data: chunk }),
    {
      pace: context.streamPace,
      headersMs: HEADERS_MS,
      done: "data: [DONE]\n\n",
      stopping: context.stopping,
    },
  );
}

export function boundsOf({ config, store }: ApiContext): WaitBounds {
  return {
    waitMs: config.api.chatWaitSeconds * 1_000,
    isServed: async (model) =>
      (await listWorkers(store.connection)).some((worker) => isServing(worker, model)),
  };
}
