/**
 * One message, or several, that a client posted, answered by a server made for them alone. Nothing outlives the answer, so
 * the API can be restarted and run many times over. A call that may take long is answered as a stream, on which its
 * progress is told; any other as JSON.
 */
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import {
  CallToolRequestSchema,
  CancelledNotificationSchema,
  isInitializeRequest,
  isJSONRPCRequest,
  type RequestId,
} from "@modelcontextprotocol/sdk/types.js";
import { buildMcpServer, MCP_TOOLS, type McpServerOptions } from "./build-mcp-server.ts";
import type { Caller, OpenCalls } from "./open-calls.ts";

/** What the protocol reads of the headers; the rest, and what opens doors in it, is not passed on (R9). */
const HEADERS = ["accept", "content-type", "mcp-protocol-version"] as const;

const LONG_TOOLS: ReadonlySet<string> = new Set(
  MCP_TOOLS.flatMap(({ name, waitsMs }) => (waitsMs === undefined ? [] : [name])),
);

export interface Post {
  /** The body, as JSON. */
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly caller: Caller;
  /** Aborted when the connection is over, whoever ended it. */
  readonly over: AbortSignal;
}

export interface Answer {
  readonly response: Response;
  /** The client has introduced itself, and gets a session. */
  readonly isInitialize: boolean;
}

export async function answerPost(
  { body, headers, caller, over }: Post,
  calls: OpenCalls,
  options: McpServerOptions,
): Promise<Answer> {
  const messages: readonly unknown[] = Array.isArray(body) ? body : [body];
  for (const id of messages.flatMap(cancelledBy)) calls.cancel(caller, id);
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: undefined,
    enableJsonResponse: !messages.some(mayTakeLong),
    // Whoever writes the stream keeps it alive.
    keepAliveMs: 0,
  });
  const server = buildMcpServer(options);
  await server.connect(transport);
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const requests = messages.flatMap((message) => (isJSONRPCRequest(message) ? [message.id] : []));
  const forget = calls.add(caller, requests, end);
  if (over.aborted) end();
  else over.addEventListener("abort", () => end(), { once: true });
  // Closing ends the stream, and tells the tools to stop.
  const closed = ended.then(async () => {
    forget();
    await server.close();
    return nothing();
  });
  const answered = transport.handleRequest(requestOf(headers), { parsedBody: body });
  return {
    response: await Promise.race([answered, closed]),
    isInitialize: messages.some(isInitializeRequest),
  };
}

function cancelledBy(message: unknown): RequestId[] {
  const cancelled = CancelledNotificationSchema.safeParse(message);
  const id = cancelled.success ? cancelled.data.params.requestId : undefined;
  return id === undefined ? [] : [id];
}

function mayTakeLong(message: unknown): boolean {
  const call = CallToolRequestSchema.safeParse(message);
  if (!call.success) return false;
  const { name, _meta: meta } = call.data.params;
  return meta?.progressToken !== undefined || LONG_TOOLS.has(name);
}

/** The answer to a call that was cancelled before it had one: the client waits for none. */
function nothing(): Response {
  return new Response(null, { status: 202 });
}

function requestOf(headers: Post["headers"]): Request {
  const known = HEADERS.flatMap((name) => {
    const value = headers[name];
    return typeof value === "string" ? [[name, value] as [string, string]] : [];
  });
  return new Request("http://baton/mcp", { method: "POST", headers: known });
}
