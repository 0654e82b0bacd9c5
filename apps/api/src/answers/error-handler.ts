/** The errors of a route that OpenAI's clients call, in the shape that they know. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { ofFastify } from "../fastify-errors.ts";
import { openAiProblemOf } from "./openai-problem.ts";

export function openAiErrors(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = openAiProblemOf(ofFastify(error));
  if (problem.isFault) request.log.error({ err: error, url: request.routeOptions.url }, "a request failed");
  if (problem.runId !== undefined) reply.header(RUN_ID_HEADER, problem.runId);
  return reply.code(problem.status).headers(problem.headers()).send(problem.body());
}

/** Which run a request is about. */
export const RUN_ID_HEADER = "x-baton-run-id";
