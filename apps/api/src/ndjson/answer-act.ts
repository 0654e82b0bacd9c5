/**
 * Acts on many runs take seconds or minutes. A caller that says nothing gets one answer at their end. One that accepts
 * JSON lines gets the same as it comes: `{"type": "progress", …}` each second, what the act tells of single runs, and at
 * last `{"type": "done", …}` with what would have been the answer, or `{"type": "error", "error": {…}}`.
 *
 * An act goes on to its end though its caller has left: it was asked for, and it is safe to ask for it again.
 */
import { once } from "node:events";
import { PassThrough } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { isAnswered } from "../availability/answer-early.ts";
import { clientLeft } from "../client-left.ts";
import { problemOf } from "../problem.ts";
import { NDJSON, sendStream } from "./send-lines.ts";
import { cutWhenStalled } from "./stalled-reader.ts";

const PROGRESS_EVERY_MS = 1_000;

export interface Live {
  /** From here on progress is told; until then an error is an answer of its own. */
  begin(progress: () => object): void;
  /** Tells of one of many, where lines are wanted; waits for a slow reader, and not for one that has left. */
  tell(line: object): Promise<void>;
}

export interface ActAnswer {
  readonly status: number;
  readonly body: object;
}

export async function answerAct(
  request: FastifyRequest,
  reply: FastifyReply,
  act: (live: Live) => Promise<ActAnswer>,
): Promise<void> {
  if (!acceptsLines(request)) {
    const { status, body } = await act({ begin: () => undefined, tell: async () => undefined });
    return sent(reply.code(status).send(body));
  }
  await using lines = new ActLines(reply);
  try {
    const { status, body } = await act(lines);
    if (!lines.hasBegun) return sent(reply.code(status).send(body));
    await lines.tell({ type: "done", ...body });
  } catch (error) {
    if (!lines.hasBegun) throw error;
    const { body, isFault } = problemOf(error);
    if (isFault) request.log.error({ err: error, url: request.routeOptions.url }, "an act failed half-way");
    await lines.tell({ type: "error", ...body });
  }
}

/** Fastify takes the reply itself for "it is sent already"; the types of a route know only what may be sent. */
function sent(reply: FastifyReply): undefined {
  return reply as unknown as undefined;
}

function acceptsLines({ headers }: FastifyRequest): boolean {
  return (headers.accept ?? "").split(",").some((type) => type.trim().split(";", 1)[0] === NDJSON);
}

class ActLines implements Live, AsyncDisposable {
  readonly #reply: FastifyReply;
  readonly #stream = new PassThrough();
  #left: AbortSignal | undefined;
  #timer: NodeJS.Timeout | undefined;
  hasBegun = false;

  constructor(reply: FastifyReply) {
    this.#reply = reply;
  }

  begin(progress: () => object): void {
    this.hasBegun = true;
    // It may have been answered meanwhile, as when Redis went away: then nobody reads what is told.
    this.#left = isAnswered(this.#reply) ? AbortSignal.abort() : clientLeft(this.#reply);
    if (this.#left.aborted) return;
    cutWhenStalled(this.#reply.raw);
    sendStream(this.#reply.code(200), this.#stream);
    const tell = (): void => {
      if (!this.#stream.writableNeedDrain) this.#write({ type: "progress", ...progress() });
    };
    tell();
    this.#timer = setInterval(tell, PROGRESS_EVERY_MS);
  }

  async tell(line: object): Promise<void> {
    if (!this.hasBegun || this.#write(line)) return;
    // Who has left will not drain it, and what is told then is told to nobody.
    await once(this.#stream, "drain", { signal: this.#left }).catch(() => undefined);
  }

  /** False when its buffer is full. */
  #write(line: object): boolean {
    if (this.#left?.aborted || this.#stream.destroyed) return true;
    return this.#stream.write(`${JSON.stringify(line)}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#stream.end();
  }
}
