/**
 * Watching a run through the API: its events from an id on, without gap or duplicate, whatever becomes of the connection.
 * A stream that ends without its last event is asked for again behind what came.
 */

import { setTimeout as delay } from "node:timers/promises";
import { BatonError, eventOfWire, type RunId, type StampedEvent, wireEventSchema } from "@baton/core";
import { type EventFrame, eventFrames } from "./event-frames.ts";
import { errorOf, type ServerClient } from "./server-client.ts";
import { refusalOf, unreadable } from "./server-errors.ts";

/** Between a stream that the server ended in order and the next one. */
const AGAIN_MS = 250;

const EVENTS = "text/event-stream";

const KNOWN: ReadonlySet<string> = new Set(wireEventSchema.options.map((option) => option.shape.type.value));

/** Throws `not_found` when there is no such run. An abort ends it at once. */
export async function* watchRemote(
  client: ServerClient,
  id: RunId,
  after: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<StampedEvent, void, void> {
  const patience = client.patience();
  let last = after;
  while (!signal.aborted) {
    try {
      const headers = { accept: EVENTS, "last-event-id": last };
      const mediaTypes = [EVENTS];
      const path = `/v1/runs/${id}/events`;
      const { status, bytes } = await client.stream({ method: "GET", path, headers, mediaTypes }, signal);
      patience.calm();
      if (status === 204) return;
      for await (const frame of eventFrames(bytes)) {
        if (frame.event === "end") return;
        if (frame.event === "problem") throw problemOf(frame);
        last = frame.id ?? last;
        // A newer server may tell of what this client does not know.
        if (KNOWN.has(frame.event) && frame.id !== undefined) yield { id: frame.id, event: eventOf(frame) };
      }
      await delay(AGAIN_MS, undefined, { signal });
    } catch (error) {
      if (signal.aborted) return;
      await patience.bear(errorOf(error), signal).catch((thrown: unknown) => {
        if (!signal.aborted) throw thrown;
      });
    }
  }
}

function eventOf({ data }: EventFrame): StampedEvent["event"] {
  try {
    return eventOfWire(wireEventSchema.parse(JSON.parse(data)));
  } catch (error) {
    throw unreadable("an event", error);
  }
}

/** What goes wrong for good; that the server stops, or waits for its Redis, passes. */
function problemOf({ data }: EventFrame): BatonError {
  let body: unknown;
  try {
    body = JSON.parse(data);
  } catch (error) {
    throw unreadable("a problem", error);
  }
  const { error } = refusalOf(body, 500);
  if (error.code !== "shutting_down" && error.code !== "redis_unreachable") return error;
  return new BatonError(error.code, error.message, { retry: "backoff" });
}
