/** A provider made of plain HTTP, for what no mock offers: each test writes the bytes itself. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface WireRequest {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Record<string, unknown>;
  /** The connection that it came by. */
  readonly port: number | undefined;
}

export interface WireServer {
  readonly url: string;
  readonly requests: readonly WireRequest[];
  [Symbol.asyncDispose](): Promise<void>;
}

export async function wireServer(
  answer: (response: ServerResponse, request: WireRequest) => void | Promise<void>,
): Promise<WireServer> {
  const requests: WireRequest[] = [];
  const server = createServer((incoming, response) => {
    let text = "";
    incoming.setEncoding("utf8");
    incoming.on("data", (piece: string) => {
      text += piece;
    });
    incoming.on("end", () => {
      const body: Record<string, unknown> = JSON.parse(text);
      const request = {
        path: incoming.url ?? "",
        headers: incoming.headers,
        body,
        port: incoming.socket.remotePort,
      };
      requests.push(request);
      Promise.resolve(answer(response, request)).catch((error: unknown) => response.destroy(error as Error));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A server that listens on a port has an address of this kind.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Sends events as a stream; `end: false` leaves the stream open. */
export function sendEvents(response: ServerResponse, events: readonly unknown[], end = true): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  writeEvents(response, events);
  if (end) response.end();
}

/** Goes on with a stream that was left open. */
export function writeEvents(response: ServerResponse, events: readonly unknown[]): void {
  for (const event of events) {
    const type =
      typeof event === "object" && event !== null && "type" in event ? `event: ${event.type}\n` : "";
    response.write(`${type}data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`);
  }
}

export function sendError(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}
