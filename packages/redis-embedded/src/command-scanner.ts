/**
 * Reads an append-only file as Redis wrote it, piece by piece, and knows up to which byte it is whole: to the end
 * of a command, or of a transaction (MULTI … EXEC) when one is open. A script's writes are one transaction.
 *
 * The format, `CRLF` being the two bytes: a command is `*<count>CRLF` and as many times `$<length>CRLF<bytes>CRLF`;
 * a line that starts with `#` is a note. Values are skipped, not looked at.
 */

/** Redis' own bounds on a count of arguments and on a value. */
const COUNT_MAX = 1024 * 1024 * 1024;
const VALUE_BYTES_MAX = 512 * 1024 * 1024;
/** Of `multi`; no longer name matters. */
const NAME_BYTES_MAX = 5;
const MULTI = packName("multi");
const EXEC = packName("exec");

const CR = 0x0d;
const LF = 0x0a;
const STAR = 0x2a;
const DOLLAR = 0x24;
const HASH = 0x23;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/** What the next byte belongs to. */
type Expected =
  | "command"
  | "note"
  | "argument"
  | "count"
  | "length"
  | "count line feed"
  | "length line feed"
  | "value"
  | "value return"
  | "value line feed";

/** Where the file stops being what Redis writes, and in what way. */
export interface Breach {
  readonly at: number;
  readonly what: string;
}

export class CommandScanner {
  #expected: Expected = "command";
  #offset = 0;
  #wholeBytes = 0;
  #number = 0;
  #digits = 0;
  #argumentsLeft = 0;
  #isName = false;
  /** The bytes of a short name as one number: a string for each command would be most of the work. */
  #name = 0;
  #valueLeft = 0;
  #valueAt = 0;
  #isOpen = false;

  /** The file is whole up to here. */
  get wholeBytes(): number {
    return this.#wholeBytes;
  }

  /** Where the value begins that is being read, if one is. */
  get openValueAt(): number | undefined {
    return this.#expected === "value" ? this.#valueAt : undefined;
  }

  /** Takes the next piece of the file. After a breach it must not be called again. */
  feed(piece: Buffer): Breach | undefined {
    let index = 0;
    while (index < piece.length) {
      if (this.#expected === "value") {
        index += this.#skipValue(piece, index);
        continue;
      }
      const what = this.#take(piece[index] ?? 0);
      if (what !== undefined) return { at: this.#offset, what };
      index += 1;
      this.#offset += 1;
      if (this.#expected === "command" && !this.#isOpen) this.#wholeBytes = this.#offset;
    }
    return undefined;
  }

  /** Returns what is wrong with the byte. */
  #take(byte: number): string | undefined {
    switch (this.#expected) {
      case "command":
        if (byte === HASH) return this.#expect("note");
        this.#isName = true;
        return byte === STAR ? this.#expectNumber("count") : "no command begins here";
      case "note":
        return byte === LF ? this.#expect("command") : undefined;
      case "argument":
        return byte === DOLLAR ? this.#expectNumber("length") : "no argument begins here";
      case "count":
      case "length":
        return this.#takeDigit(byte, this.#expected);
      case "count line feed":
        this.#argumentsLeft = this.#number;
        return byte === LF ? this.#expect("argument") : "a line does not end";
      case "length line feed":
        return byte === LF ? this.#beginValue() : "a line does not end";
      case "value":
        return undefined;
      case "value return":
        return byte === CR ? this.#expect("value line feed") : "a value does not end where it should";
      case "value line feed":
        return byte === LF ? this.#endArgument() : "a value does not end where it should";
    }
  }

  #expect(expected: Expected): undefined {
    this.#expected = expected;
  }

  #expectNumber(expected: "count" | "length"): undefined {
    this.#number = 0;
    this.#digits = 0;
    this.#expected = expected;
  }

  #takeDigit(byte: number, kind: "count" | "length"): string | undefined {
    if (byte === CR && this.#digits > 0) {
      if (kind === "count" && this.#number === 0) return "a command is empty";
      return this.#expect(`${kind} line feed`);
    }
    if (byte < DIGIT_0 || byte > DIGIT_9) return "a number is expected";
    this.#number = this.#number * 10 + byte - DIGIT_0;
    this.#digits += 1;
    return this.#number > (kind === "count" ? COUNT_MAX : VALUE_BYTES_MAX)
      ? "a number is too large"
      : undefined;
  }

  #beginValue(): undefined {
    this.#valueLeft = this.#number;
    this.#valueAt = this.#offset + 1;
    if (this.#isName) this.#name = 0;
    this.#expected = this.#valueLeft === 0 ? "value return" : "value";
  }

  /** Returns how many bytes of the piece are of this value. */
  #skipValue(piece: Buffer, from: number): number {
    const bytes = Math.min(this.#valueLeft, piece.length - from);
    if (this.#isName && this.#number <= NAME_BYTES_MAX) {
      for (let index = from; index < from + bytes; index += 1) {
        this.#name = packByte(this.#name, piece[index] ?? 0);
      }
    }
    this.#valueLeft -= bytes;
    this.#offset += bytes;
    if (this.#valueLeft === 0) this.#expected = "value return";
    return bytes;
  }

  #endArgument(): string | undefined {
    this.#isName = false;
    this.#argumentsLeft -= 1;
    this.#expected = this.#argumentsLeft === 0 ? "command" : "argument";
    return this.#argumentsLeft === 0 ? this.#endCommand() : undefined;
  }

  #endCommand(): string | undefined {
    if (this.#name !== MULTI && this.#name !== EXEC) return undefined;
    const opens = this.#name === MULTI;
    if (opens === this.#isOpen) {
      return opens ? "a transaction begins inside of another" : "a transaction ends that did not begin";
    }
    this.#isOpen = opens;
    return undefined;
  }
}

function packName(name: string): number {
  return [...Buffer.from(name)].reduce(packByte, 0);
}

/** Capitals are made small. Five bytes fit a number exactly. */
function packByte(packed: number, byte: number): number {
  return packed * 256 + (byte | 0x20);
}
