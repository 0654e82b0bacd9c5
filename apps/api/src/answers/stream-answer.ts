/**
 * Sends an answer that comes in pieces as server-sent events. The headers wait a little for the first piece, so that a
 * run which fails at once is answered with its status, and clients see their typed error; after that what goes wrong is
 * an `error` event, which both clients throw. A client that leaves ends the reading and nothing else.
 */
import type { FastifyReply } from "fastify";
import { clientLeft } from "../client-left.ts";
import { EventStream, type StreamPace } from "../sse/event-stream.ts";
import { frameOf } from "../sse/frames.ts";
import { type OpenAiErrorBody, openAiProblemOf } from "./openai-problem.ts";

export interface StreamAnswerOptions {
  readonly pace: StreamPace;
  /** How long the headers wait for the first piece, in milliseconds. */
  readonly headersMs: number;
  /** Said behind the last piece. */
  readonly done: string;
  /** Aborted when the API stops. */
  readonly stopping: AbortSignal;
  /** The data of the event that tells what broke the answer off; without it, the body that a plain answer would have. */
  readonly errorData?: ((problem: OpenAiErrorBody) => object) | undefined;
}

/** `frame` makes the text of an event of each piece. Throws what the answer fails with before the headers are sent. */
export async function streamAnswer<Piece>(
  reply: FastifyReply,
  begin: (signal: AbortSignal) => AsyncGenerator<Piece, void, void>,
  frame: (piece: Piece) => string,
  options: StreamAnswerOptions,
): Promise<FastifyReply> {
  const { errorData = (body) => body } = options;
  const left = clientLeft(reply);
  const done = new AbortController();
  const pieces = begin(AbortSignal.any([left, options.stopping, done.signal]));
  let next = pieces.next();
  await atMost(next, options.headersMs, left);
  const stream = EventStream.open(reply, options.pace);
  if (stream === undefined) {
    done.abort();
    await Promise.allSettled([next, pieces.return()]);
    return reply;
  }
  try {
    for (let read = await next; !read.done; read = await next) {
      await stream.write(frame(read.value));
      next = pieces.next();
    }
    await stream.write(options.done);
  } catch (thrown) {
    const problem = openAiProblemOf(thrown);
    if (problem.isFault) reply.log.error({ err: thrown }, "an answer broke off");
    await stream.write(frameOf({ event: "error", data: errorData(problem.body()) }));
  } finally {
    done.abort();
    await stream[Symbol.asyncDispose]();
    await pieces.return();
  }
  return reply;
}

/** Waits for `promise`, but no longer than that, and not for somebody who is gone. Throws what the promise rejects with. */
export async function atMost(promise: Promise<unknown>, ms: number, gone: AbortSignal): Promise<void> {
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const onGone = (): void => resolve();
  gone.addEventListener("abort", onGone);
  try {
    await Promise.race([promise, enough]);
  } finally {
    clearTimeout(timer);
    gone.removeEventListener("abort", onGone);
  }
}
