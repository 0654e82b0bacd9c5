/** A reader of server-sent events that can be slow, cut, or gone, over one connection of its own. */
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { eventOfWire, type StampedEvent, wireEventSchema } from "@baton/core";
import { createParser } from "eventsource-parser";

export interface SseFrame {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

export interface SseReader {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** What has come so far. */
  readonly frames: readonly SseFrame[];
  readonly comments: readonly string[];
  /** Milliseconds, the last that were told. */
  readonly retryMs: number | undefined;
  /** Whether the answer ended in order; false when its connection broke. Resolves at its end. */
  readonly ended: Promise<boolean>;
  /** Takes nothing from now on. */
  pause(): void;
  resume(): void;
  /** Lets the connection fall. */
  drop(): void;
}

export interface OpenSse {
  readonly lastEventId?: string | undefined;
  /** Called for each frame as it comes. */
  readonly onFrame?: (frame: SseFrame, drop: () => void) => void;
  /** Keeps no frames. */
  readonly forgets?: boolean;
}

export async function openSse(
  url: string,
  { lastEventId, onFrame, forgets = false }: OpenSse = {},
): Promise<SseReader> {
  const headers = {
    accept: "text/event-stream",
    ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
  };
  const asking = request(url, { agent: false, headers });
  asking.end();
  const [response] = (await once(asking, "response")) as [IncomingMessage];
  const frames: SseFrame[] = [];
  const comments: string[] = [];
  let retryMs: number | undefined;
  const drop = (): void => {
    response.destroy();
  };
  const parser = createParser({
    onEvent({ id, event = "message", data }) {
      const frame = { id, event, data };
      if (response.destroyed) return;
      if (!forgets) frames.push(frame);
      onFrame?.(frame, drop);
    },
    onComment: (comment) => comments.push(comment),
    onRetry: (ms) => {
      retryMs = ms;
    },
    onError: (error) => response.destroy(error),
  });
  response.setEncoding("utf8");
  response.on("data", (text: string) => parser.feed(text));
  const ended = new Promise<boolean>((resolve) => {
    response.once("error", () => resolve(false));
    response.once("close", () => resolve(response.complete));
  });
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    frames,
    comments,
    get retryMs() {
      return retryMs;
    },
    ended,
    pause: () => {
      response.pause();
    },
    resume: () => {
      response.resume();
    },
    drop,
  };
}

/** The events among the frames, read back from the wire; their ends and problems are none. */
export function eventsIn(frames: readonly SseFrame[]): readonly StampedEvent[] {
  return frames.flatMap(({ id, event, data }) => {
    if (event === "end" || event === "problem") return [];
    const wire = wireEventSchema.parse(JSON.parse(data));
    if (wire.type !== event || id === undefined) throw new Error(`a frame that is not as it says: ${event}`);
    return [{ id, event: eventOfWire(wire) }];
  });
}
