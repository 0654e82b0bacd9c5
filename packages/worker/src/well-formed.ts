/**
 * Replies of models as every program can read them. A model may write half of a character that JavaScript keeps as two units:
 * where it is cut, or as an escape in the arguments of a call. JSON writes such a half as an escape that means no character:
 * providers refuse a request that has one, so the run could never go on, and clients in other languages cannot read an answer
 * with it. It becomes U+FFFD before it is written. What a vendor must get back word for word stays as it came. Tools' results
 * come in order from the tool host.
 */
import type { Part } from "@baton/core";

export function wellFormedPart(part: Part): Part {
  switch (part.type) {
    case "text":
    case "reasoning":
      return part.text.isWellFormed() ? part : { ...part, text: part.text.toWellFormed() };
    case "tool_call":
      return { ...part, arguments: wellFormed(part.arguments) };
    default:
      return part;
  }
}

/** The same value where all of it is in order, as nearly always: JSON alone tells at the price of one look. */
function wellFormed<Value>(value: Value): Value {
  const json = JSON.stringify(value);
  if (!HALF.test(json)) return value;
  // It is what it was, but for the texts in it.
  return JSON.parse(json.replace(ESCAPES, (one) => (HALF.test(one) ? "\\ufffd" : one))) as Value;
}

/** JSON escapes no other characters of these numbers. */
const HALF = /\\ud[89a-f]/;
/** Two by two, so that the backslash of a text that is escaped itself begins none. */
const ESCAPES = /\\(?:u[0-9a-f]{4}|.)/g;
