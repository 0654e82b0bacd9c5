/**
 * The simulated writer: it arranges sentences of the documents that stand in the conversation which it was
 * sent, and knows nothing else. Without documents it says so, so that a lost conversation shows. The same
 * conversation gives the same text.
 */
import type { Conversation } from "./conversation.ts";
import type { Document } from "./document.ts";
import { documentsIn } from "./findings.ts";
import { formFor } from "./forms.ts";
import { pickBy } from "./pick.ts";
import { SIMULATED_MARK, type SimulatedReply } from "./simulated-reply.ts";
import { readTask } from "./task.ts";
import { wordsOf } from "./words.ts";

export function writeText(conversation: Conversation, model: string, seed: number): SimulatedReply {
  const task = readTask(conversation.task);
  const documents = inOrderOf(task.subject, documentsIn(conversation));
  if (documents.length === 0) {
    return {
      step: "nothing_to_write",
      text: `The conversation that I was sent holds no document on ${task.headline}, so there is nothing that I could write from, and I will not make anything up.\n\n${signature(model)}`,
      calls: [],
    };
  }
  const title = task.headline.charAt(0).toUpperCase() + task.headline.slice(1);
  const pick = pickBy(`${seed}:${task.subject}`);
  const body = formFor(task.request)({ task, title, documents, pick });
  return { step: "write", text: `${withSources(body, documents)}\n\n${signature(model)}`, calls: [] };
}

/**
 * The documents in the order in which the subject asks for them: by the mean place in it of the words that
 * stand in the title of one document alone. Documents without such a word come last.
 */
function inOrderOf(subject: string, documents: readonly Document[]): Document[] {
  const words = wordsOf(subject.toLowerCase());
  const titles = documents.map((document) => new Set(wordsOf(document.title.toLowerCase())));
  const placeOf = (index: number): number => {
    const places = words.flatMap((word, place) =>
      titles.every((title, other) => title.has(word) === (other === index)) ? [place] : [],
    );
    return places.length === 0 ? words.length : places.reduce((sum, place) => sum + place, 0) / places.length;
  };
  return documents
    .map((document, index) => ({ document, place: placeOf(index) }))
    .sort((a, b) => a.place - b.place)
    .map(({ document }) => document);
}

/** Renumbers the `[n]` in the order in which they occur, and lists these sources at the end. */
function withSources(body: string, documents: readonly Document[]): string {
  const order: Document[] = [];
  const text = body.replace(/ \[(\d+)\]/g, (mark, digits: string) => {
    const document = documents[Number(digits) - 1];
    if (document === undefined) return mark;
    if (!order.includes(document)) order.push(document);
    return ` [${order.indexOf(document) + 1}]`;
  });
  const sources = order.map((document, index) => `${index + 1}. ${document.title} (${document.id})`);
  return `${text}\n\n**Sources**\n${sources.join("\n")}`;
}

function signature(model: string): string {
  return `*Written by a ${SIMULATED_MARK} in the place of ${model}: the sentences are those of the sources.*`;
}
