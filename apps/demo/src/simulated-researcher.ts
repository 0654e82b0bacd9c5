/**
 * The simulated researcher: search, read the best hits, hand over to a writer. What it does next follows from
 * the request alone, so that a request which is sent twice gets the same answer. A tool that fails is tried
 * again, a bounded number of times; then the researcher goes on with what it has.
 */
import type { Conversation } from "./conversation.ts";
import type { Document, SearchHit } from "./document.ts";
import { documentsIn, hitsIn, isAnsweredSearch } from "./findings.ts";
import { SIMULATED_MARK, type SimulatedCall, type SimulatedReply } from "./simulated-reply.ts";
import { writeText } from "./simulated-writer.ts";
import { readTask, searchQueries, type Task } from "./task.ts";

const SEARCH_ROUNDS_MAX = 3;
const READ_ATTEMPTS_MAX = 3;
const READS_MAX = 3;
const READS_MIN = 2;
/** Hits below this share of the best score are taken to be off the subject. */
const SCORE_SHARE_MIN = 0.4;

export function research(conversation: Conversation, model: string, seed: number): SimulatedReply {
  const task = readTask(conversation.task);
  const searches = nextSearches(conversation, task);
  if (searches.length > 0) return { step: "search", text: "", calls: searches };
  const reads = nextReads(conversation);
  if (reads.length > 0) return { step: "read", text: "", calls: reads };
  const refused = new Set(conversation.calls.map((call) => call.name));
  const transfer = conversation.tools.find((name) => name.startsWith("transfer_to_") && !refused.has(name));
  // Nobody to hand over to, or the handoff was answered instead of done: the researcher writes the text itself.
  if (transfer === undefined) return writeText(conversation, model, seed);
  return handOver(transfer, task, documentsIn(conversation));
}

function nextSearches(conversation: Conversation, task: Task): SimulatedCall[] {
  const name = toolNamed(conversation, "search_documents");
  if (name === undefined) return [];
  const done = conversation.calls.filter((call) => call.name === name);
  if (done.some(isAnsweredSearch)) return [];
  const queries = searchQueries(task);
  if (done.length >= queries.length * SEARCH_ROUNDS_MAX) return [];
  return queries.map((query) => ({ name, arguments: { query, limit: 5 } }));
}

function nextReads(conversation: Conversation): SimulatedCall[] {
  const name = toolNamed(conversation, "read_document");
  if (name === undefined) return [];
  const read = new Set(documentsIn(conversation).map((document) => document.id));
  return wanted(hitsIn(conversation))
    .filter(({ id }) => !read.has(id))
    .map(({ id }) => ({ name, arguments: { id } }))
    .filter((call) => attempts(conversation, call) < READ_ATTEMPTS_MAX);
}

function wanted(hits: readonly SearchHit[]): readonly SearchHit[] {
  const good = hits.filter((hit) => hit.score >= SCORE_SHARE_MIN).slice(0, READS_MAX);
  return good.length >= READS_MIN ? good : hits.slice(0, READS_MIN);
}

/** How often the call was answered already; without a document, or it would not be asked for again. */
function attempts(conversation: Conversation, call: SimulatedCall): number {
  const written = JSON.stringify(call.arguments);
  return conversation.calls.filter((past) => past.name === call.name && sameJson(past.arguments, written))
    .length;
}

/** Arguments come back as a provider's API keeps them: the spacing may differ from what was written. */
function sameJson(text: string, written: string): boolean {
  try {
    return JSON.stringify(JSON.parse(text)) === written;
  } catch {
    // What is no JSON was not written here.
    return false;
  }
}

function handOver(transfer: string, task: Task, documents: readonly Document[]): SimulatedReply {
  const titles = documents.map((document) => `“${document.title}” (${document.id})`).join(", ");
  const found = ["no document", "one document", "two documents"][documents.length] ?? "three documents";
  const brief =
    documents.length === 0
      ? `The research on ${task.subject} brought nothing: the searches failed or found no document. Say so plainly. The request: ${task.request}`
      : `Write on ${task.subject}. Found and read: ${titles}. Their whole text stands in the tool results above; use nothing else, and quote the sources by title. The request: ${task.request}`;
  return {
    step: "hand_over",
    text: `The research is done: ${found} on ${task.headline}. Writing is for another model. (This is a ${SIMULATED_MARK}.)`,
    calls: [
      { name: transfer, arguments: { reason: `The sources are read; what remains is writing.`, brief } },
    ],
  };
}

/** A tool by its own name, or with the prefix that a host puts before the names of a server's tools. */
function toolNamed(conversation: Conversation, name: string): string | undefined {
  return conversation.tools.find((tool) => tool === name || tool.endsWith(`_${name}`));
}
