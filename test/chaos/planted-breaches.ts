/**
 * A breach of each rule that the checker knows, as an edit of a history in which all is well. They go for the history of
 * planted-history.ts and for one that was recorded from the real thing alike: both have a run `first` that calls a
 * reading tool and one with effects, and is handed on, and a run `second` that fails and is retried.
 */
import type { History, Violation } from "./history.ts";
import { BREACHES_OF_BOOKS } from "./planted-breaches-books.ts";
import { BREACHES_OF_LEDGER } from "./planted-breaches-ledger.ts";

export interface Breach {
  readonly invariant: Violation["invariant"];
  /** What is wrong in the history, in words. */
  readonly what: string;
  readonly plant: (history: History) => History;
}

export const BREACHES: readonly Breach[] = [...BREACHES_OF_LEDGER, ...BREACHES_OF_BOOKS];
