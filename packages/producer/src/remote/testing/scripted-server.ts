/** An HTTP server that answers as a test says, and keeps what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { BatonError } from "@baton/core";
import { RemoteProducer, type RemoteProducerOptions } from "../remote-producer.ts";

export interface Asked {
  readonly method: string;
  /** With its query. */
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** Answers; `place` counts the requests that came before. */
export type Answer = (asked: Asked, response: ServerResponse, place: number) => void | Promise<void>;

export interface ScriptedServer extends AsyncDisposable {
  readonly url: string;
  /** Probes are not among them. */
  readonly asked: readonly Asked[];
  /** A producer that works through it, and what it said of failures that it bore. */
  connect(options?: Partial<RemoteProducerOptions>): Promise<RemoteProducer>;
  readonly borne: readonly string[];
}

export async function openServer(answer: Answer): Promise<ScriptedServer> {
  const asked: Asked[] = [];
  const borne: string[] = [];
  const server = createServer(async (request, response) => {
    const { method = "", url = "", headers } = request;
    if (url === "/healthz") return void response.end("ok\n");
    const one = { method, url, headers, body: await text(request).catch(() => "") };
    asked.push(one);
    await answer(one, response, asked.length - 1);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A server that listens on a port has an address of this kind.
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    asked,
    borne,
    connect: (options = {}) =>
      RemoteProducer.connect({
        server: url,
        ids: { now: () => Date.now(), random: (size) => crypto.getRandomValues(new Uint8Array(size)) },
        onError: (error) => borne.push(error instanceof BatonError ? error.code : error.message),
        ...options,
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Lets the connection fall without an answer, as a server does that is killed. */
export function drop(response: ServerResponse): void {
  response.socket?.resetAndDestroy();
}

export function json(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

export function problem(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  json(response, status, { error: { code, message: `it is ${code}` } }, headers);
}
