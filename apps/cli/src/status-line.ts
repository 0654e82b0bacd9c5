/**
 * Progress that is drawn over itself, on standard error, where a person looks at that; elsewhere nothing is written. It
 * is drawn a few times a second at most, however often it is told of.
 */
import { stripVTControlCharacters } from "node:util";

const DRAW_EVERY_MS = 100;

export class StatusLine implements Disposable {
  readonly #stream = process.stderr;
  #drawnAt = 0;
  #lines = 0;

  /** Makes the text only when it is to be drawn. */
  update(text: () => string, options: { readonly now?: boolean } = {}): void {
    if (!this.#stream.isTTY) return;
    const now = performance.now();
    if (options.now !== true && now - this.#drawnAt < DRAW_EVERY_MS) return;
    this.#drawnAt = now;
    const lines = text()
      .split("\n")
      .map((line) => cut(line, this.#stream.columns));
    this.#stream.write(`${this.#up()}${lines.map((line) => `${line}\x1b[K`).join("\n")}\x1b[J`);
    this.#lines = lines.length;
  }

  /** Takes away what is drawn, so that something else can be written. */
  clear(): void {
    if (this.#lines === 0) return;
    this.#stream.write(`${this.#up()}\x1b[J`);
    this.#lines = 0;
    this.#drawnAt = 0;
  }

  /** Leaves what is drawn where it is. */
  keep(): void {
    if (this.#lines > 0) this.#stream.write("\n");
    this.#lines = 0;
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  #up(): string {
    return this.#lines > 1 ? `\r\x1b[${this.#lines - 1}A` : "\r";
  }
}

/** A line that is too long would break, and what is drawn next would begin too low. Colours are lost with its end. */
function cut(line: string, columns: number): string {
  const bare = stripVTControlCharacters(line);
  return bare.length < columns ? line : `${bare.slice(0, Math.max(0, columns - 2))}…`;
}
