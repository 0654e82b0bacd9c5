/** The last characters that a program wrote, for the message that tells why it failed. Bounded. */
import { stripVTControlCharacters } from "node:util";

export interface OutputTail {
  add(chunk: Buffer | string): void;
  /**
   * The last lines as one line without control characters; empty when nothing was written. `redact` sees them
   * before they are shortened, so that no half of a secret is left.
   */
  line(redact: (text: string) => string): string;
}

const KEPT_CHARS_MAX = 8_000;
const LINE_CHARS_MAX = 600;

export function createOutputTail(): OutputTail {
  const decoder = new TextDecoder();
  let kept = "";
  let isCut = false;
  return {
    add(chunk) {
      const text = typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
      const all = kept + text;
      isCut ||= all.length > KEPT_CHARS_MAX;
      kept = all.slice(-KEPT_CHARS_MAX);
    },
    line(redact) {
      const lines = stripVTControlCharacters(redact(kept))
        .split(/[\r\n]+/)
        // The first line may lack its beginning.
        .slice(isCut ? 1 : 0)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out.
        .map((line) => line.replace(/[\u0000-\u001f\u007f]+/g, " ").trim())
        .filter((line) => line !== "");
      const joined = lines.join(" | ");
      return joined.length <= LINE_CHARS_MAX ? joined : `…${joined.slice(-LINE_CHARS_MAX)}`;
    },
  };
}
