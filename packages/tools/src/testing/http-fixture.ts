/** The fixture over streamable HTTP on loopback, with what goes wrong on a network. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { createFixtureServer } from "./fixture-tools.ts";

export interface HttpFixture extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Requests so far, as `POST tools/call`. */
  readonly requests: readonly string[];
  /** Calls whose answer is still open. */
  openCalls(): number;
  /** Streams for notifications that are open. */
  openStreams(): number;
  /** As after a restart: every session is unknown. */
  forgetSessions(): void;
}

export interface HttpFixtureOptions {
  readonly port?: number;
  /** Answers in the server's place when it returns true. Gets the request as `POST tools/call`, and its body. */
  readonly onRequest?: (response: ServerResponse, request: string, body: unknown) => boolean;
}

/** The tool `die` cuts the connection that the call came on. */
export async function startHttpFixture(options: HttpFixtureOptions = {}): Promise<HttpFixture> {
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const requests: string[] = [];
  const calls = new Set<ServerResponse>();
  const streams = new Set<ServerResponse>();
  const track = (response: ServerResponse, open: Set<ServerResponse>) => {
    open.add(response);
    response.once("close", () => open.delete(response));
  };
  const cut = new WeakMap<StreamableHTTPServerTransport, ServerResponse>();
  // The head of the answer is written after the tool has begun.
  const cutCall = (transport: StreamableHTTPServerTransport) =>
    setImmediate(() => {
      const response = cut.get(transport);
      if (response?.headersSent) response.destroy();
      else cutCall(transport);
    });
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await readBody(request);
    const name = `${request.method} ${methodOf(body)}`;
    requests.push(name);
    if (options.onRequest?.(response, name, body)) return;
    const id = request.headers["mcp-session-id"];
    const known = typeof id === "string" ? sessions.get(id) : undefined;
    if (id !== undefined && known === undefined) {
      response.writeHead(404).end("no such session");
      return;
    }
    const transport = known ?? (await openSession(sessions, () => cutCall(transport)));
    if (methodOf(body) === "tools/call") {
      track(response, calls);
      cut.set(transport, response);
    }
    if (request.method === "GET") track(response, streams);
    await transport.handleRequest(request, response, body);
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) =>
      response.destroy(error instanceof Error ? error : undefined),
    );
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  // A server that listens on TCP has an address object.
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}/mcp`,
    port: address.port,
    requests,
    openCalls: () => calls.size,
    openStreams: () => streams.size,
    forgetSessions: () => sessions.clear(),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function openSession(sessions: Map<string, StreamableHTTPServerTransport>, die: () => void) {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (id) => {
      sessions.set(id, transport);
    },
  });
  await createFixtureServer({ die }).connect(transport);
  return transport;
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return text === "" ? undefined : JSON.parse(text);
}

function methodOf(body: unknown): string {
  const method = typeof body === "object" && body !== null && "method" in body ? body.method : undefined;
  return typeof method === "string" ? method : "";
}
