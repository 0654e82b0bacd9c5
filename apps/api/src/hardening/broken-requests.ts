/**
 * Answers to what never becomes a request of a route: bytes that are no HTTP, headers that are too large or too slow, a path
 * that cannot be read. No hook runs for them. What was sent is neither logged nor said back: it may hold a key (R9).
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { mayBeSlow } from "./slow-bodies.ts";

interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

const BROKEN: Refusal = { status: 400, code: "bad_request", message: "what was sent is not valid HTTP/1.1" };

const OF_CONNECTION: Readonly<Record<string, Refusal>> = {
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: "too_slow",
    message: "the request took too long to arrive: send it again, faster",
  },
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: "too_large",
    message: "the headers, the URL among them, are too large: send long texts in the body",
  },
};

const OF_PATH: Readonly<Record<string, Refusal>> = {
  FST_ERR_MAX_PARAM_LENGTH: {
    status: 414,
    code: "too_large",
    message: "a name or id in the path is too long",
  },
};

/** For Node's `clientError`. */
export function onBrokenConnection(error: { readonly code?: string | undefined }, socket: Socket): void {
  if (error.code === "ECONNRESET" || socket.destroyed) return;
  if (error.code === "ERR_HTTP_REQUEST_TIMEOUT" && mayBeSlow(socket)) return;
  const refusal = OF_CONNECTION[error.code ?? ""] ?? BROKEN;
  if (socket.writable) {
    const body = bodyOf(refusal);
    socket.write(
      [
        `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
        "connection: close",
        "cache-control: no-store",
        "content-type: application/json; charset=utf-8",
        `content-length: ${Buffer.byteLength(body)}`,
        "",
        body,
      ].join("\r\n"),
    );
  }
  socket.destroySoon();
}

/** For Fastify's `frameworkErrors`. */
export function onBrokenPath(error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void {
  const refusal = OF_PATH[error.code] ?? { ...BROKEN, message: "the path is not a valid URL path" };
  reply
    .code(refusal.status)
    .headers({ "cache-control": "no-store", "content-type": "application/json; charset=utf-8" })
    .send(bodyOf(refusal));
}

/** For Node's `checkExpectation`: an `Expect` that is not `100-continue`, at which Node itself would say nothing. */
export function onOddExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const body = bodyOf({ ...BROKEN, message: "of the Expect header, 100-continue alone is known" });
  response
    .writeHead(417, {
      connection: "close",
      "cache-control": "no-store",
      "content-type": "application/json; charset=utf-8",
      "content-length": Buffer.byteLength(body),
    })
    .end(body);
}

function bodyOf({ code, message }: Refusal): string {
  return JSON.stringify({ error: { code, message } });
}
