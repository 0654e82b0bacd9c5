/** Server-sent events, out of the bytes of an answer. */
import { textLines } from "./answer-body.ts";
import { unreadable } from "./server-errors.ts";

export interface EventFrame {
  /** Its place, which the next request goes on behind; absent where the server names none. */
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/** All lines of data of one event together: a snapshot is a whole conversation. */
const DATA_CHARS_MAX = 268_435_456;

export async function* eventFrames(
  bytes: AsyncIterable<Uint8Array>,
  lineBytesMax?: number,
): AsyncGenerator<EventFrame, void, void> {
  let frame = emptyFrame();
  let length = 0;
  for await (const line of textLines(bytes, lineBytesMax)) {
    if (line === "") {
      if (frame.data.length > 0) yield { ...frame, data: frame.data.join("\n") };
      frame = emptyFrame();
      length = 0;
      continue;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "id") frame = { ...frame, id: value };
    if (field === "event") frame = { ...frame, event: value };
    if (field !== "data") continue;
    length += value.length;
    if (length > DATA_CHARS_MAX) throw unreadable(`an event is longer than ${DATA_CHARS_MAX} characters`);
    frame.data.push(value);
  }
}

function emptyFrame(): { readonly id: string | undefined; readonly event: string; readonly data: string[] } {
  return { id: undefined, event: "message", data: [] };
}
