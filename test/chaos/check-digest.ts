/**
 * The digest of an item of a log. It does not depend on the order of fields, since an item that was parsed has them
 * in the order of its schema and the text in Redis in that of its writer.
 */
import { createHash } from "node:crypto";

/** The item as an object, parsed or read out of its JSON. */
export function digestOf(item: unknown): string {
  return createHash("sha256").update(canonical(item)).digest("base64url").slice(0, 16);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
