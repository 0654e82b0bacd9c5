/**
 * How much JSON may say, told by its text before it is parsed. What is nested deeper than any call needs would use up the
 * stack of what walks over it later. What has more values than any call needs costs far more than its bytes: each of them
 * that fits no schema is an error of its own, and a few megabytes of `[1,1,1,…]` would take all memory.
 */

export const JSON_DEPTH_MAX = 64;
/** A thousand messages with their parts, and a hundred tools with their schemas, have fewer. */
export const JSON_VALUES_MAX = 50_000;

/** What is wrong with a text, for people; undefined when it is within bounds. Text that is no JSON may fool it. */
export function jsonExcess(text: string): string | undefined {
  let depth = 0;
  let values = 1;
  for (let place = 0; place < text.length; place += 1) {
    switch (text.charCodeAt(place)) {
      case 0x22:
        place = endOfString(text, place);
        break;
      case 0x5b:
      case 0x7b:
        depth += 1;
        values += 1;
        if (depth > JSON_DEPTH_MAX) return `nested deeper than ${JSON_DEPTH_MAX} levels`;
        break;
      case 0x5d:
      case 0x7d:
        depth -= 1;
        break;
      case 0x2c:
        values += 1;
    }
    if (values > JSON_VALUES_MAX) return `of more than ${JSON_VALUES_MAX} values`;
  }
  return undefined;
}

/** The place of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end > 0) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === 0x5c) escapes += 1;
    if (escapes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}
