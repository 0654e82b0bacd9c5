/**
 * `/mcp`: Baton as an MCP server, over streamable HTTP. Who asks, and what may be seen and done, is told by the API key
 * as everywhere else. There is no state between requests: the session id joins a cancellation to its call, and nothing
 * else.
 */
import { randomUUID } from "node:crypto";
import { isJSONRPCRequest } from "@modelcontextprotocol/sdk/types.js";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { isAnswered } from "../availability/answer-early.ts";
import { clientLeft } from "../client-left.ts";
import { ofFastify } from "../fastify-errors.ts";
import { answerPost } from "../mcp/answer-post.ts";
import { type Caller, OpenCalls } from "../mcp/open-calls.ts";
import { HttpProblem, problemOf } from "../problem.ts";
import { EventStream, type StreamPace } from "../sse/event-stream.ts";

/** A batch of inputs is the largest that a tool takes. */
const BODY_BYTES_MAX = 8 * 1024 * 1024;

/** In a list; what is no call is a notification, and means little. */
const MESSAGES_MAX = 20;

/** Numbers of JSON-RPC: what could not be parsed, and any other refusal. */
const PARSE_ERROR = -32_700;
const REFUSED = -32_000;

export function addMcp(app: ApiApp, context: ApiContext, version: string): void {
  const calls = new OpenCalls();
  const route = {
    url: "/mcp",
    config: { scope: "read" },
    bodyLimit: BODY_BYTES_MAX,
    errorHandler: answerError,
  } as const;
  app.route({
    ...route,
    method: "POST",
    schema: { hide: true, operationId: "mcpPost", body: z.unknown() },
    async handler(request, reply) {
      demandOneCall(request.body);
      const caller = callerOf(request);
      const post = { body: request.body, headers: request.headers, caller, over: clientLeft(reply) };
      const { response, isInitialize } = await answerPost(post, calls, {
        runs: context.runsOf(request),
        scopes: request.principal.scopes,
        version,
        stopping: context.stopping,
        onFault: (error, tool) => request.log.error({ err: error, tool }, "an MCP tool failed"),
      });
      // Redis may have gone meanwhile, and the caller been told so.
      if (isAnswered(reply)) return reply;
      if (isInitialize && response.ok) reply.header("mcp-session-id", randomUUID());
      if (response.headers.get("content-type") !== "text/event-stream") return reply.send(response);
      await sendStream(response.body, reply, context.streamPace);
      return reply;
    },
  });
  app.route({
    ...route,
    method: "DELETE",
    schema: { hide: true, operationId: "mcpDelete" },
    async handler(request, reply) {
      calls.cancelAll(callerOf(request));
      return reply.code(204).send();
    },
  });
  app.route({
    ...route,
    method: "GET",
    schema: { hide: true, operationId: "mcpGet" },
    // A stream of its own would carry what a server says unasked, and this one says nothing.
    handler: (_request, reply) =>
      reply
        .code(405)
        .header("allow", "POST, DELETE")
        .send(rpcError(REFUSED, "method_not_allowed: this server sends nothing unasked; use POST")),
  });
}

/** A key has so many requests a minute: several calls in one of them would count as one. */
function demandOneCall(body: unknown): void {
  if (!Array.isArray(body)) return;
  const calls = body.filter(isJSONRPCRequest);
  if (calls.length <= 1 && body.length <= MESSAGES_MAX) return;
  throw new HttpProblem(
    "bad_request",
    400,
    "send one call at a time: a list may hold one, and notifications",
  );
}

function callerOf({ principal, headers }: FastifyRequest): Caller {
  const session = headers["mcp-session-id"];
  return { principal, session: typeof session === "string" ? session : undefined };
}

async function sendStream(
  body: ReadableStream<Uint8Array> | null,
  reply: FastifyReply,
  pace: StreamPace,
): Promise<void> {
  await using stream = EventStream.open(reply, pace);
  if (stream === undefined || body === null) return;
  const decoder = new TextDecoder();
  for await (const bytes of body) await stream.write(decoder.decode(bytes, { stream: true }));
}

/** What is refused before it comes to the protocol, in the protocol's form. */
function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply) {
  const { status, body, retryAfter, isFault } = problemOf(ofFastify(error));
  if (isFault) request.log.error({ err: error, url: "/mcp" }, "a request failed");
  if (retryAfter !== undefined) reply.header("retry-after", String(retryAfter));
  const { code, message } = body.error;
  const number = code === "bad_request" ? PARSE_ERROR : REFUSED;
  return reply.code(status).send(rpcError(number, `${code}: ${message}`));
}

function rpcError(code: number, message: string) {
  return { jsonrpc: "2.0", error: { code, message }, id: null } as const;
}
