/**
 * Call ids and tool names as every API takes them: 1 to 64 characters out of `[a-zA-Z0-9_-]`. What fits already
 * is left as it is; what does not gets a hash of the whole, so that distinct ids stay distinct.
 *
 * Invariant: an id depends only on what stands before it in the log, so that appending changes no earlier id.
 */
import { createHash } from "node:crypto";

const CHARS_MAX = 64;
const FITS = /^[a-zA-Z0-9_-]{1,64}$/;

/** A name that every API takes; the same input always gives the same name. */
export function wireName(name: string): string {
  if (FITS.test(name)) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 12);
  const readable = name.replace(/[^a-zA-Z0-9_-]+/g, "_").slice(0, CHARS_MAX - hash.length - 1);
  return `${readable}_${hash}`;
}

/** Gives each call of a conversation, in order, an id that no other call of it has. */
export function wireIds(): (callId: string) => string {
  const taken = new Set<string>();
  return (callId) => {
    let id = wireName(callId);
    // Some servers count their calls from 0 in each reply; the APIs want ids that are unique in a conversation.
    for (let again = 2; taken.has(id); again += 1) id = wireName(`${callId}#${again}`);
    taken.add(id);
    return id;
  };
}
