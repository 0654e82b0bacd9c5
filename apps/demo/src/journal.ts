/**
 * The journal of the simulated models, and its comparison with a ledger: how many replies were paid for, how
 * many of them were kept, and whether one that was kept was bought again.
 */
import { createHash } from "node:crypto";
import type { ChatCompletionRequest } from "@copilotkit/aimock";
import type { SimulatedReply } from "./simulated-reply.ts";

export interface JournalEntry {
  /** From 1, in the order of sale. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly model: string;
  readonly step: SimulatedReply["step"];
  readonly responseId: string;
  /** The same for requests that ask for the same: model, conversation, tools. */
  readonly fingerprint: string;
}

export interface Purchases {
  /** Replies sold. */
  readonly sold: number;
  /** Replies that stand in the ledger. */
  readonly written: number;
  /** Sold but never written: under way when a worker died, and allowed to happen twice. */
  readonly lost: number;
  /** Sold although the same request had already brought a reply that stands in the ledger: must be 0. */
  readonly boughtAgain: number;
  /** Replies in the ledger that were never sold: must be 0, or the two do not belong together. */
  readonly unknown: number;
}

export function fingerprintOf(request: ChatCompletionRequest): string {
  const { model, messages, tools } = request;
  return createHash("sha256")
    .update(JSON.stringify([model, messages, tools]))
    .digest("hex")
    .slice(0, 24);
}

/**
 * Compares the journal with the response ids of all replies in the ledger. Two runs with the very same words
 * ask for the same, and would be counted as buying again: the topics of a batch must differ.
 */
export function comparePurchases(journal: readonly JournalEntry[], ledger: Iterable<string>): Purchases {
  const written = new Set(ledger);
  const known = new Set(journal.map((entry) => entry.responseId));
  const answered = new Set<string>();
  let boughtAgain = 0;
  for (const entry of journal) {
    if (answered.has(entry.fingerprint)) boughtAgain += 1;
    if (written.has(entry.responseId)) answered.add(entry.fingerprint);
  }
  const kept = written.intersection(known).size;
  return {
    sold: journal.length,
    written: kept,
    lost: journal.length - kept,
    boughtAgain,
    unknown: written.size - kept,
  };
}
