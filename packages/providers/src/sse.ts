/**
 * Server-sent events out of bytes, as the HTML standard cuts them, with a bound on each. The SDKs' own readers
 * hide comments and pings, by which a provider shows that it is alive, so the bytes are read here.
 */
import { BatonError } from "@baton/core";

export interface SseEvent {
  /** The `event:` field, `message` when there is none. */
  readonly event: string;
  readonly data: string;
}

/** Past this an event is not a model's: images come as files elsewhere. */
const EVENT_CHARS_MAX = 32 * 1024 * 1024;
/** How long the end of a body may take after its last event; a body read to its end keeps its connection. */
const DRAIN_MS_MAX = 250;

/** The events of a body. `onBytes` is called for each piece that comes in, comments included. */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  onBytes: () => void,
  eventCharsMax = EVENT_CHARS_MAX,
): AsyncGenerator<SseEvent, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const cutter = sseCutter(eventCharsMax);
  let ended = false;
  try {
    for (;;) {
      const piece = await reader.read();
      if (piece.done) break;
      onBytes();
      yield* cutter.push(decoder.decode(piece.value, { stream: true }));
    }
    ended = true;
    yield* cutter.end(decoder.decode());
  } finally {
    if (!ended) await discard(reader);
  }
}

export interface SseCutter {
  push(text: string): SseEvent[];
  /** The event at the end that no blank line closed: servers forget it, and a cut one is no valid JSON. */
  end(text: string): SseEvent[];
}

export function sseCutter(eventCharsMax: number): SseCutter {
  let pieces: string[] = [];
  let pending = 0;
  let afterReturn = false;
  let event = "";
  let data: string[] = [];
  let dataChars = 0;

  const bound = (chars: number) => {
    if (chars <= eventCharsMax) return;
    throw new BatonError("provider_protocol", `an event of more than ${eventCharsMax} characters came in`, {
      retry: "backoff",
    });
  };
  const dispatch = (): SseEvent[] => {
    const complete = data.length === 0 ? [] : [{ event: event || "message", data: data.join("\n") }];
    event = "";
    data = [];
    dataChars = 0;
    return complete;
  };
  const line = (text: string): SseEvent[] => {
    if (text === "") return dispatch();
    const colon = text.indexOf(":");
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(text[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "event") event = value;
    if (field === "data") {
      data.push(value);
      dataChars += value.length;
      bound(dataChars);
    }
    return [];
  };
  const push = (text: string): SseEvent[] => {
    // The second half of a CRLF that the pieces were cut in.
    const chunk = afterReturn && text.startsWith("\n") ? text.slice(1) : text;
    if (text !== "") afterReturn = text.endsWith("\r");
    if (!/[\r\n]/.test(chunk)) {
      pieces.push(chunk);
      pending += chunk.length;
      bound(pending);
      return [];
    }
    const lines = (pieces.join("") + chunk).split(/\r\n|\r|\n/);
    const rest = lines.pop() ?? "";
    pieces = rest === "" ? [] : [rest];
    pending = rest.length;
    bound(pending);
    return lines.flatMap(line);
  };
  return { push, end: (text) => [...push(`${text}\n`), ...dispatch()] };
}

/** Reads what is left, so that the connection can be used again; gives up soon. */
async function discard(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  // A body that has failed rejects here too: its error is on its way to the caller already.
  const giveUp = setTimeout(() => reader.cancel().catch(() => undefined), DRAIN_MS_MAX);
  try {
    while (!(await reader.read()).done);
  } catch {
    // As above.
  } finally {
    clearTimeout(giveUp);
  }
}
