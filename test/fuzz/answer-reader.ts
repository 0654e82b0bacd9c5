/** Reads HTTP/1.1 answers off a connection, as strictly as a client must: what does not parse is a fault of the server. */
export interface Answer {
  readonly status: number;
  /** In small letters. */
  readonly headers: ReadonlyMap<string, string>;
  /** UTF-8; of a long one the beginning. */
  readonly body: string;
  /** False when the connection ended, or was left, before the body did. */
  readonly isWhole: boolean;
}

const BODY_BYTES_MAX = 300_000;
const HEAD_BYTES_MAX = 65_536;

type Body =
  | { readonly kind: "length"; left: number }
  | { readonly kind: "chunks"; left: number; isOver: boolean }
  | { readonly kind: "rest" };

interface Open {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Body;
  readonly parts: Buffer[];
  kept: number;
}

export class AnswerReader {
  readonly #isHead: boolean;
  #bytes: Buffer = Buffer.alloc(0);
  #open: Open | undefined;
  readonly answers: Answer[] = [];

  /** `isHead`: what was asked is a HEAD, whose answer has no body. */
  constructor(isHead: boolean) {
    this.#isHead = isHead;
  }

  /** The answer whose head has come and whose body has not. */
  get begun(): number | undefined {
    return this.#open?.status;
  }

  /** Throws for what is no answer. */
  feed(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    while (this.#step()) {
      // Until no more can be told from what has come.
    }
  }

  /** The connection is over. */
  end(): void {
    if (this.#open === undefined) return;
    this.#close(this.#open.body.kind === "rest");
  }

  #step(): boolean {
    if (this.#open === undefined) return this.#readHead();
    const { body } = this.#open;
    if (body.kind === "rest") return this.#take(this.#bytes.length) && false;
    if (body.kind === "length" || body.left > 0) {
      const count = Math.min(body.left, this.#bytes.length);
      body.left -= count;
      this.#take(count);
      if (body.left > 0) return false;
      if (body.kind === "length") this.#close(true);
      return true;
    }
    return this.#readChunkLine(body);
  }

  #readHead(): boolean {
    const end = this.#bytes.indexOf("\r\n\r\n");
    if (end < 0) {
      if (this.#bytes.length > HEAD_BYTES_MAX) throw new Error("an answer's head does not end");
      return false;
    }
    const [first = "", ...lines] = this.#bytes.subarray(0, end).toString("latin1").split("\r\n");
    this.#bytes = this.#bytes.subarray(end + 4);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(`${first} `)?.[1]);
    if (Number.isNaN(status)) throw new Error(`no status line: ${JSON.stringify(first.slice(0, 200))}`);
    if (status < 200) return true;
    const headers = new Map<string, string>();
    for (const line of lines) {
      const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
      if (name === undefined || value === undefined)
        throw new Error(`no header: ${JSON.stringify(line.slice(0, 200))}`);
      headers.set(name.toLowerCase(), value);
    }
    this.#open = { status, headers, body: this.#bodyOf(status, headers), parts: [], kept: 0 };
    return true;
  }

  #bodyOf(status: number, headers: ReadonlyMap<string, string>): Body {
    if (this.#isHead || status === 204 || status === 304) return { kind: "length", left: 0 };
    if (headers.get("transfer-encoding") === "chunked") return { kind: "chunks", left: 0, isOver: false };
    const length = headers.get("content-length");
    return length === undefined ? { kind: "rest" } : { kind: "length", left: Number(length) };
  }

  #readChunkLine(body: { left: number; isOver: boolean }): boolean {
    const end = this.#bytes.indexOf("\r\n");
    if (end < 0) return false;
    const line = this.#bytes.subarray(0, end).toString("latin1");
    this.#bytes = this.#bytes.subarray(end + 2);
    if (body.isOver) {
      // Trailers, and the empty line behind them.
      if (line === "") this.#close(true);
      return true;
    }
    // The line break behind a chunk.
    if (line === "") return true;
    if (!/^[0-9a-f]+$/i.test(line)) throw new Error(`no chunk: ${JSON.stringify(line.slice(0, 200))}`);
    body.left = Number.parseInt(line, 16);
    body.isOver = body.left === 0;
    return true;
  }

  #take(count: number): boolean {
    const open = this.#open;
    if (open === undefined || count === 0) return false;
    const room = BODY_BYTES_MAX - open.kept;
    if (room > 0) {
      const part = this.#bytes.subarray(0, Math.min(count, room));
      open.parts.push(part);
      open.kept += part.length;
    }
    this.#bytes = this.#bytes.subarray(count);
    return true;
  }

  #close(isWhole: boolean): void {
    if (this.#open === undefined) return;
    const { status, headers, parts } = this.#open;
    this.answers.push({ status, headers, body: Buffer.concat(parts).toString("utf8"), isWhole });
    this.#open = undefined;
  }
}
