/** Aborts when the client of a request is gone, or has its answer. `request.signal` follows the request's own end, which
 * comes as soon as its body was read. */
import type { FastifyReply } from "fastify";

export function clientLeft({ raw }: FastifyReply): AbortSignal {
  const left = new AbortController();
  if (raw.destroyed) left.abort();
  else raw.once("close", () => left.abort());
  return left.signal;
}
