/**
 * A request may be answered while its route still works on it: Redis has gone, its key has ended. What the route says later
 * is said to nobody. Fastify would log each of these words as a mistake of ours, with the URL as it was sent, which may hold
 * what a caller means to keep (R9).
 */
import { Stream } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { ApiApp } from "../api-context.ts";

const answered = new WeakSet<FastifyReply>();

/** Whether its answer is there, or on its way: whoever writes to the connection by itself must not then. */
export function isAnswered(reply: FastifyReply): boolean {
  return reply.sent || answered.has(reply);
}

/** Answers by `problem`, unless an answer has begun. */
export function answerEarly(reply: FastifyReply, problem: Error): void {
  if (isAnswered(reply) || reply.raw.headersSent) return;
  answered.add(reply);
  // The error handler sends within this call; what hooks do with it may take longer.
  reply.send(problem);
  reply.send = (late?: unknown) => {
    if (late instanceof Stream.Readable) late.destroy();
    return reply;
  };
}

/** Before any route is added. */
export function dropLateErrors(app: ApiApp): void {
  app.addHook("onRoute", (route) => {
    const { handler } = route;
    route.handler = async function (request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
      try {
        return await handler.call(this, request, reply);
      } catch (error) {
        if (!answered.has(reply)) throw error;
        request.log.debug({ err: error }, "a request failed behind its answer");
        return reply;
      }
    };
  });
}
