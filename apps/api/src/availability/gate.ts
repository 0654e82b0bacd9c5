/**
 * What an API does while it cannot work. While Redis is away, commands wait for it, and so would callers: whoever asks for
 * something that needs Redis is answered 503 at once, and those who were asking when it went, after a short patience. What
 * they asked for may still happen when Redis is back, as with any answer that gets lost. Streams that are open stay open.
 * A server that stops takes no new requests, and ends each connection behind its answer.
 */
import { runIdSchema } from "@baton/core";
import type { ConnectedStore } from "@baton/store";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { HttpProblem } from "../problem.ts";
import { answerEarly, dropLateErrors } from "./answer-early.ts";
import { awayError } from "./redis-errors.ts";
import { RedisWatch } from "./redis-watch.ts";

const ASK_EVERY_MS = 500;
const PATIENCE_MS = 1_500;
const RETRY_AFTER_SECONDS = 1;

export function addAvailability(app: ApiApp, { store, stopping }: ApiContext): void {
  const unanswered = new Set<FastifyReply>();
  const watch = new RedisWatch({
    ask: () => probe(store),
    everyMs: ASK_EVERY_MS,
    patienceMs: PATIENCE_MS,
    onChange(isAway) {
      if (isAway)
        app.log.warn({ err: watch.refusal }, "Redis does not answer, or refuses what is asked of it");
      else app.log.info("Redis answers again");
      // What has begun to answer goes on: a stream of events, lines of a batch.
      if (isAway) for (const reply of unanswered) answerEarly(reply, awayError(watch.refusal));
    },
  });
  dropLateErrors(app);
  app.addHook("onClose", () => watch[Symbol.asyncDispose]());
  app.addHook("onRequest", async (request, reply) => {
    if (!needsRedis(request)) return;
    if (stopping.aborted) {
      throw new HttpProblem("shutting_down", 503, "the API stops: send the request again, to another one", {
        retryAfter: RETRY_AFTER_SECONDS,
      });
    }
    if (watch.isAway) throw awayError(watch.refusal);
    unanswered.add(reply);
    reply.raw.once("close", () => unanswered.delete(reply));
  });
  app.addHook("onSend", async (_request, reply) => {
    if (stopping.aborted) reply.header("connection", "close");
  });
}

/** Probes and documents have no scope, and answer always. */
function needsRedis(request: FastifyRequest): boolean {
  const { scope, needsRedis } = request.routeOptions.config;
  return scope !== undefined && needsRedis !== false;
}

/** Reads a run that is not there, in each shard: a script as others are, so it is refused where they would be. */
function probe({ ledger, shards }: ConnectedStore): Promise<unknown> {
  const ids = Array.from({ length: shards }, (_, shard) => runIdSchema.parse(`r_${shard}_${"0".repeat(26)}`));
  return Promise.all(ids.map((id) => ledger.read(id)));
}
