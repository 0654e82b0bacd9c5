/**
 * `GET /v1/runs/:id/events`: what happens in a run, as it happens, as server-sent events.
 *
 * - Each event has an id; `Last-Event-ID` (or `?after=`) goes on behind it without gap or duplicate, at any API process.
 *   `0-0` is the beginning of the run; without an id, or with one that is no longer known, a `snapshot` comes first.
 * - The last event is `end`. Who asks again behind the end is answered 204, at which an `EventSource` stops.
 * - A stream that ends without `end` is to be resumed: the API stopped, the reader was too slow, or a line was cut.
 * - What goes wrong for good is told by a `problem` event, with the body that an error answer has.
 */
import {
  isTerminal,
  type Run,
  type RunId,
  type RunStatus,
  runIdSchema,
  type StampedEvent,
} from "@baton/core";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { problemOf, problemSchema } from "../problem.ts";
import { EventFrames } from "../sse/event-frames.ts";
import { EventStream } from "../sse/event-stream.ts";
import { comment, frameOf, retryHint } from "../sse/frames.ts";

const RETRY_MS = 1_000;
/** The id before all others. */
const START = "0-0";
/** Those who are sent away together do not come again together. */
const RETRY_SPREAD_MS = 1_000;

const idParams = z.object({ id: runIdSchema });
const eventId = z.string().max(64);

export function addEvents(app: ApiApp, context: ApiContext): void {
  const frames = new EventFrames();
  app.route({
    method: "GET",
    url: "/v1/runs/:id/events",
    // The headers of a stream are no answer: there is nothing that ends.
    exposeHeadRoute: false,
    config: { scope: "read" },
    schema: {
      operationId: "watchRun",
      tags: ["runs"],
      summary: "Follow a run by server-sent events",
      params: idParams,
      headers: z.object({
        "last-event-id": eventId.optional().describe("Goes on behind this event; `0-0` is the beginning."),
      }),
      querystring: z.strictObject({
        after: eventId.optional().describe("As `Last-Event-ID`, which goes over it."),
      }),
      response: {
        200: {
          description:
            "Events: `event` is the type, `data` the event as JSON, `id` its place. The last one is `end`; a stream that ends without it is to be resumed with `Last-Event-ID`.",
          content: { "text/event-stream": { schema: z.string() } },
        },
        204: z.null().describe("The run is over and all was told."),
        "4xx": problemSchema,
        "5xx": problemSchema,
      },
    },
    async handler(request, reply) {
      const after = request.headers["last-event-id"] || request.query.after;
      const runs = context.runsOf(request);
      const { id } = request.params;
      const { run } = await runs.get(id);
      const watching = new AbortController();
      // Not even the stream is needed to know it.
      if (isTerminal(run.status) && after === wholeStoryOf(run)) return reply.code(204).send(null);
      const watch = runs.watch(id, { after }, watching.signal);
      // Of a run that is over the first event is there at once, or there is none any more.
      const first = isTerminal(run.status) ? await watch.next() : undefined;
      if (first?.done === true) return reply.code(204).send(null);
      try {
        await sendEvents({ context, reply, watching, frames, id, events: resumed(first?.value, watch) });
      } finally {
        // When the reader has left already, nobody has begun with the events, and so nobody ends the watch either.
        await watch.return();
      }
      return reply;
    },
  });
}

interface Sending {
  readonly context: ApiContext;
  readonly reply: FastifyReply;
  /** Ends the watch. */
  readonly watching: AbortController;
  readonly frames: EventFrames;
  readonly id: RunId;
  readonly events: AsyncGenerator<StampedEvent, void, void>;
}

/** Sends the events to the end of the run, or until the reader is gone or the API stops. */
async function sendEvents({ context, reply, watching, frames, id, events }: Sending): Promise<void> {
  const stream = EventStream.open(reply, context.streamPace);
  if (stream === undefined) {
    await events.return();
    return;
  }
  const { stopping, random } = context;
  const stop = (): void => watching.abort();
  for (const signal of [stream.gone, stopping]) {
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  }
  try {
    await stream.write(retryHint(RETRY_MS));
    let status: RunStatus | undefined;
    for await (const stamped of events) {
      const { event } = stamped;
      if (event.type === "status") status = event.status;
      if (event.type === "snapshot") status = event.run.status;
      await stream.write(frames.of(placed(stamped)));
    }
    const goodbye = watching.signal.aborted
      ? retryHint(random() * RETRY_SPREAD_MS) + comment("the API stops: come again")
      : frameOf({ event: "end", data: { status } });
    await stream.write(goodbye);
  } catch (error) {
    const problem = problemOf(error);
    if (problem.isFault) reply.log.error({ err: error, runId: id }, "events could not be told");
    await stream.write(frameOf({ event: "problem", data: problem.body }));
  } finally {
    stopping.removeEventListener("abort", stop);
    await stream[Symbol.asyncDispose]();
  }
}

/**
 * Where the stream of a run that is over is gone, the snapshot is all there is, and it has no place in a stream: who comes
 * again behind it would be told it again, and again.
 */
function placed(stamped: StampedEvent): StampedEvent {
  const { id, event } = stamped;
  const isAll = event.type === "snapshot" && isTerminal(event.run.status) && id === START;
  return isAll ? { id: wholeStoryOf(event.run), event } : stamped;
}

/** The id behind which nothing more comes, unless the run is put back to work: then its epoch is another one. */
function wholeStoryOf({ epoch }: Pick<Run, "epoch">): string {
  return `end-${epoch}`;
}

async function* resumed(
  first: StampedEvent | undefined,
  rest: AsyncGenerator<StampedEvent, void, void>,
): AsyncGenerator<StampedEvent, void, void> {
  try {
    if (first !== undefined) yield first;
    yield* rest;
  } finally {
    await rest.return();
  }
}
