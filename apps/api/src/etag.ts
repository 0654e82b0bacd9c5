/** Entity tags: a digest of all that an answer is made of. */
import { hash } from "node:crypto";

/** Raised when answers are made otherwise of the same facts. */
const ANSWER_VERSION = 1;

export function etagOf(facts: unknown): string {
  return `"${ANSWER_VERSION}-${hash("sha256", JSON.stringify(facts), "base64url").slice(0, 27)}"`;
}

/** Whether `If-None-Match` names the tag; weak tags are compared as strong ones, as RFC 9110 has it for this header. */
export function isFresh(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = ifNoneMatch.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.includes(etag) || tags.includes("*");
}
