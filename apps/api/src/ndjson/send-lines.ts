/**
 * JSON lines of any number as an answer. No more is read than the client takes; one that leaves ends what made the lines
 * at once. What fails half-way cuts the connection, so that nobody takes a part for the whole.
 */
import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import { clientLeft } from "../client-left.ts";
import { HttpProblem } from "../problem.ts";
import { breakOff } from "./break-off.ts";
import { cutWhenStalled } from "./stalled-reader.ts";

export const NDJSON = "application/x-ndjson";

export interface SendLinesOptions {
  /** Aborted when the API stops. */
  readonly stopping: AbortSignal;
  /** An empty line is sent after so long without one, in milliseconds; absent: never. */
  readonly heartbeatMs?: number | undefined;
  readonly stallMsMax?: number | undefined;
}

const BUFFER_BYTES = 65_536;
/** What is wrong with the request is known by then; lines may take longer, and are not waited for. */
const FIRST_LINE_MS = 1_000;

/**
 * `linesOf` is called once, and its signal is aborted when nobody wants more. What it throws before its first line is
 * thrown here, and can be answered.
 */
export async function sendLines(
  reply: FastifyReply,
  linesOf: (signal: AbortSignal) => AsyncIterable<unknown>,
  { stopping, heartbeatMs, stallMsMax }: SendLinesOptions,
): Promise<void> {
  const lines = textOf(linesOf(AbortSignal.any([clientLeft(reply), stopping])), stopping);
  const first = lines.next();
  await settled(first, FIRST_LINE_MS);
  cutWhenStalled(reply.raw, stallMsMax);
  const all = heartbeatMs === undefined ? begun(first, lines) : withHeartbeats(first, lines, heartbeatMs);
  sendStream(reply, Readable.from(all, { objectMode: false, highWaterMark: BUFFER_BYTES }));
}

/** Throws what the promise is rejected with in time. */
async function settled(promise: Promise<unknown>, withinMs: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, withinMs);
  await Promise.race([promise, late.promise]).finally(() => clearTimeout(timer));
}

type Next = Promise<IteratorResult<string, void>>;

async function* begun(
  first: Next,
  rest: AsyncGenerator<string, void, void>,
): AsyncGenerator<string, void, void> {
  try {
    const { done, value } = await first;
    if (done === true) return;
    yield value;
    yield* rest;
  } finally {
    await rest.return();
  }
}

/** From here on the reply counts as sent: nobody else answers, however long the stream goes on. */
export function sendStream(reply: FastifyReply, stream: Readable): void {
  // Before Fastify hears of it, which ends the connection in its own way.
  stream.once("error", () => {
    if (reply.raw.headersSent) breakOff(reply.raw);
  });
  reply.header("content-type", NDJSON).send(stream).hijack();
}

async function* textOf(
  lines: AsyncIterable<unknown>,
  stopping: AbortSignal,
): AsyncGenerator<string, void, void> {
  for await (const line of lines) yield `${JSON.stringify(line)}\n`;
  if (stopping.aborted) {
    throw new HttpProblem("shutting_down", 503, "the API stops: ask it again", { retryAfter: 1 });
  }
}

/** The next line is asked for once, however many heartbeats go by until it comes. */
async function* withHeartbeats(
  first: Next,
  rest: AsyncGenerator<string, void, void>,
  everyMs: number,
): AsyncGenerator<string, void, void> {
  let next = first;
  try {
    for (;;) {
      const beat = Promise.withResolvers<"beat">();
      const timer = setTimeout(() => beat.resolve("beat"), everyMs);
      const came = await Promise.race([next, beat.promise]).finally(() => clearTimeout(timer));
      if (came === "beat") {
        yield "\n";
        continue;
      }
      if (came.done === true) return;
      yield came.value;
      next = rest.next();
    }
  } finally {
    // The line that is waited for is nobody's any more; what makes it was told by its signal.
    next.catch(() => undefined);
    await rest.return();
  }
}
