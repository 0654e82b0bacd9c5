/**
 * Bytes into lines, in flat memory: what is held is one line at most, and a line past its bound is thrown away as it
 * comes. Lines end with LF or CRLF; a byte order mark at the start is dropped; what is not UTF-8 is told, not replaced.
 */
import { isUtf8 } from "node:buffer";

export type RawLine =
  | { readonly kind: "text"; readonly line: number; readonly text: string }
  | { readonly kind: "bad"; readonly line: number; readonly reason: string };

const LF = 0x0a;
const CR = 0x0d;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

export class LineSplitter {
  readonly #lineBytesMax: number;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #line = 1;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** The lines that end in this chunk. */
  *push(chunk: Uint8Array): Generator<RawLine, void, void> {
    let from = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, from)) {
      this.#hold(chunk.subarray(from, end));
      yield this.#take();
      from = end + 1;
    }
    this.#hold(chunk.subarray(from));
  }

  /** The last line, when no line break ends it. */
  *end(): Generator<RawLine, void, void> {
    if (this.#bytes > 0) yield this.#take();
  }

  #hold(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#bytes += piece.length;
    // One byte more than the bound is a CR, maybe.
    if (this.#bytes <= this.#lineBytesMax + 1) this.#pieces.push(piece);
    else this.#pieces = [];
  }

  #take(): RawLine {
    const [line, bytes, pieces] = [this.#line, this.#bytes, this.#pieces];
    this.#line += 1;
    this.#bytes = 0;
    this.#pieces = [];
    const text = trimmed(pieces, line === 1);
    if (text.length > this.#lineBytesMax || (bytes > 0 && pieces.length === 0)) {
      return { kind: "bad", line, reason: `the line is longer than ${this.#lineBytesMax} bytes` };
    }
    if (isUtf8(text)) return { kind: "text", line, text: text.toString("utf8") };
    const isUtf16 = line === 1 && (text[0] === 0xff || text[0] === 0xfe);
    const hint = isUtf16 ? ": it looks like UTF-16, save it as UTF-8" : "";
    return { kind: "bad", line, reason: `the line is not valid UTF-8${hint}` };
  }
}

function trimmed(pieces: readonly Uint8Array[], isFirst: boolean): Buffer {
  const [only] = pieces;
  const whole =
    pieces.length === 1 && only !== undefined
      ? Buffer.from(only.buffer, only.byteOffset, only.byteLength)
      : Buffer.concat(pieces);
  const from = isFirst && whole.subarray(0, 3).equals(BOM) ? 3 : 0;
  return whole.subarray(from, whole.at(-1) === CR ? -1 : undefined);
}
