/** Reads from the user's own words what is to be researched and what is to be written. */
import { keywordsOf } from "./words.ts";

export interface Task {
  /** What the text is about, in the user's words. */
  readonly subject: string;
  /** The subject up to its first colon or comma. */
  readonly headline: string;
  /** What to make of it, as the user said it. */
  readonly request: string;
}

const SUBJECT = [
  // "Research X, then write …", "Research X. Write …"
  /\bresearch\s+(?<subject>.+?)(?=,?\s+(?:and\s+)?then\b|[.?!](?:\s|$)|\n|$)/is,
  // "Write an essay about X."
  /\b(?:about|on)\s+(?<subject>.+?)(?=[.?!](?:\s|$)|\n|$)/is,
];

export function readTask(text: string): Task {
  const found = SUBJECT.map((pattern) => pattern.exec(text)).find((match) => match !== null);
  const subject = (found?.groups?.subject ?? text.split(/[.?!\n]/)[0] ?? "").trim();
  const rest = found === undefined ? "" : text.slice(found.index + found[0].length);
  const request = rest.replace(/^[\s,.;!?]*(?:and\s+)?(?:then\s+)?/i, "").trim();
  return {
    subject,
    headline: (subject.split(/[:;,]/)[0] ?? subject).trim(),
    request: request === "" ? text.trim() : request.charAt(0).toUpperCase() + request.slice(1),
  };
}

/** One search for the whole subject, and one for its second half when it has one. */
export function searchQueries(task: Task): string[] {
  const whole = keywordsOf(task.subject);
  const tail = keywordsOf(task.subject.slice(task.headline.length));
  // The second search keeps the longest word of the headline, so that it stays with the subject.
  const anchor = keywordsOf(task.headline).sort((a, b) => b.length - a.length)[0];
  const second = tail.length < 2 || anchor === undefined ? [] : [anchor, ...tail];
  const queries = [whole, second].filter((words) => words.length > 0);
  return [...new Set(queries.map((words) => words.slice(0, 8).join(" ")))];
}
