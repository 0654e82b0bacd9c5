/** The body of an answer: bytes with a bound on how long the next ones may take, and on how many are held at once. */

import { LineSplitter } from "../batch/line-splitter.ts";
import { unreadable } from "./server-errors.ts";

export interface IdleLimit {
  /** Aborted when nothing came for too long, which breaks the connection. */
  readonly late: AbortController;
  readonly idleMsMax: number;
  /** What is thrown for a body that broke. */
  readonly broken: (error: unknown) => unknown;
}

/** The bytes as they come. The time that the reader takes for them is not the server's. */
export async function* idleLimited(
  body: AsyncIterable<Uint8Array> | null,
  { late, idleMsMax, broken }: IdleLimit,
): AsyncGenerator<Uint8Array, void, void> {
  if (body === null) return;
  const reader = body[Symbol.asyncIterator]();
  let isOver = false;
  try {
    for (;;) {
      const timer = setTimeout(() => late.abort(new Error("it fell silent")), idleMsMax);
      const next = await reader.next().finally(() => clearTimeout(timer));
      if (next.done === true) {
        isOver = true;
        return;
      }
      yield next.value;
    }
  } catch (error) {
    isOver = true;
    throw broken(error);
  } finally {
    // Who leaves early lets the connection fall.
    if (!isOver) late.abort();
  }
}

/** Of an answer that is read whole: a page of a conversation may hold pictures. */
export const ANSWER_BYTES_MAX = 268_435_456;

/** All of it as text. Throws `server_protocol` for more than so many bytes. */
export async function boundedText(bytes: AsyncIterable<Uint8Array>, bytesMax: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of bytes) {
    length += piece.length;
    if (length > bytesMax) throw unreadable(`it is longer than ${bytesMax} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

/** A line may be a whole conversation, with pictures. */
const LINE_BYTES_MAX = 268_435_456;

/** Its lines. One that no line break ends is left out: it was cut, or will be told again. */
export async function* textLines(
  bytes: AsyncIterable<Uint8Array>,
  lineBytesMax = LINE_BYTES_MAX,
): AsyncGenerator<string, void, void> {
  const splitter = new LineSplitter(lineBytesMax);
  for await (const piece of bytes) {
    for (const line of splitter.push(piece)) {
      if (line.kind === "bad") throw unreadable(line.reason);
      yield line.text;
    }
  }
}

/** JSON lines; empty ones are signs of life. */
export async function* jsonLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, void, void> {
  for await (const text of textLines(bytes)) {
    if (text === "") continue;
    try {
      yield JSON.parse(text);
    } catch (error) {
      throw unreadable("a line is no JSON", error);
    }
  }
}
