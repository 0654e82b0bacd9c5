/**
 * Keeps credentials out of what is stored and shown (R9).
 *
 * - Messages of ours lose every value that was given to a server, whatever its name: nothing is lost by it.
 * - Results of tools are content, where a harmless value like a folder may be the very answer. They lose only
 *   values whose name says credential, because tools do echo those, in their errors most of all.
 */

export interface GivenValue {
  /** Name of the variable or header. */
  readonly name: string;
  readonly value: string;
}

export interface Redactor {
  message(text: string): string;
  result(text: string): string;
}

const REPLACEMENT = "[redacted]";
/** Shorter ones are no secrets, and replacing them would make a message unreadable. */
const MESSAGE_VALUE_CHARS_MIN = 4;
const RESULT_VALUE_CHARS_MIN = 8;
const CREDENTIAL = /key|token|secret|passw|credential|auth|cookie|session|private/i;

export function createRedactor(values: readonly GivenValue[]): Redactor {
  const all = spellings(values, MESSAGE_VALUE_CHARS_MIN);
  const credentials = spellings(
    values.filter(({ name }) => CREDENTIAL.test(name)),
    RESULT_VALUE_CHARS_MIN,
  );
  return { message: (text) => replace(text, all), result: (text) => replace(text, credentials) };
}

/** A value as it stands, as it looks in a URL and in JSON, and the words of it: `Bearer abc` is also `abc`. */
function spellings(values: readonly GivenValue[], charsMin: number): readonly string[] {
  const found = new Set<string>();
  for (const { value } of values) {
    const words = value.split(/\s+/).filter((word) => word.length >= RESULT_VALUE_CHARS_MIN);
    for (const text of [value, ...words]) {
      if (text.trim().length < charsMin) continue;
      found.add(text);
      found.add(encodeURIComponent(text.toWellFormed()));
      found.add(JSON.stringify(text).slice(1, -1));
    }
  }
  // The longest first: else a value that is part of another would leave the rest of it standing.
  return [...found].sort((a, b) => b.length - a.length);
}

function replace(text: string, values: readonly string[]): string {
  return values.reduce((rest, value) => rest.replaceAll(value, REPLACEMENT), text);
}
