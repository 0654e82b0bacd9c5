/**
 * A stream that fails before its first byte, such as one whose API stops while there is nothing to tell yet. Fastify counts
 * its reply as sent, so it would answer nothing, and the caller would wait until it is cut.
 */
import type { FastifyReply } from "fastify";
import type { Problem } from "../problem.ts";

export function answerUnsent({ raw }: FastifyReply, { status, body, retryAfter }: Problem): void {
  // Whoever has had a part is cut instead, so that it is not taken for the whole.
  if (raw.headersSent || raw.destroyed) return;
  const text = JSON.stringify(body);
  raw.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    connection: "close",
    ...(retryAfter === undefined ? {} : { "retry-after": String(retryAfter) }),
  });
  raw.end(text);
}
