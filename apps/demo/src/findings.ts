/** What the tool results of a conversation hold: whole documents and hits of searches. An error text is neither. */
import type { z } from "zod";
import type { AnsweredCall, Conversation } from "./conversation.ts";
import { type Document, documentSchema, type SearchHit, searchResultSchema } from "./document.ts";

/** Every document that was read, each once, in the order of its first appearance. */
export function documentsIn(conversation: Conversation): Document[] {
  const found = new Map<string, Document>();
  for (const call of conversation.calls) {
    const document = resultAs(documentSchema, call);
    if (document !== undefined && !found.has(document.id)) found.set(document.id, document);
  }
  return [...found.values()];
}

/**
 * The hits of all searches that worked, each document once, best first. Scores compare within one search alone,
 * so each is taken as a share of the best score of its search.
 */
export function hitsIn(conversation: Conversation): SearchHit[] {
  const best = new Map<string, SearchHit>();
  for (const call of conversation.calls) {
    const hits = resultAs(searchResultSchema, call)?.hits ?? [];
    const top = Math.max(...hits.map((hit) => hit.score), Number.EPSILON);
    for (const hit of hits) {
      const score = hit.score / top;
      if (score > (best.get(hit.id)?.score ?? 0)) best.set(hit.id, { ...hit, score });
    }
  }
  return [...best.values()].sort((a, b) => b.score - a.score);
}

/** Whether a search answered with a result, be it an empty one. */
export function isAnsweredSearch(call: AnsweredCall): boolean {
  return resultAs(searchResultSchema, call) !== undefined;
}

function resultAs<T>(schema: z.ZodType<T>, call: AnsweredCall): T | undefined {
  let value: unknown;
  try {
    value = JSON.parse(call.result);
  } catch {
    // An error is told in prose: the caller sees that there is no result, and decides.
    return undefined;
  }
  return schema.safeParse(value).data;
}
