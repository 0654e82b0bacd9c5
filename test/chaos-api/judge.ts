/**
 * What is wrong with what clients of the API went through; the runs themselves are judged by R1–R9 of test/chaos.
 *
 * - answers: in the end each client got the text that the ledger has, and each stream was that text when it was over;
 * - keys: a submission, or a fork, is exactly one run, whichever client asked however often;
 * - ended: no client gave up, and none was forgotten;
 * - chains: what goes on from an answer begins with all of it;
 * - bounds: a bounded key may do what it may and no more, and is refused for nothing else;
 * - watchers: each reader of events saw each event once, in order, to the end;
 * - batches: each line is told as it ended, under its own run;
 * - statuses: no answer that the documentation does not allow;
 * - idle: an API that nobody asks holds nothing;
 * - logs: no process ended, or stopped late, or broke inside, by itself.
 */
import type { History } from "../chaos/history.ts";
import { checkAnswers } from "./check-answers.ts";
import { checkBatches } from "./check-batches.ts";
import { checkBounds } from "./check-bounds.ts";
import { checkChains } from "./check-chains.ts";
import { checkKeys } from "./check-keys.ts";
import { checkIdle, checkLogs } from "./check-processes.ts";
import { checkStatuses } from "./check-statuses.ts";
import { checkWatchers } from "./check-watchers.ts";
import type { ApiStories } from "./stories.ts";

export const CHECKS = [
  "answers",
  "keys",
  "ended",
  "chains",
  "bounds",
  "watchers",
  "batches",
  "statuses",
  "idle",
  "logs",
] as const;
export type Check = (typeof CHECKS)[number];

export interface Breach {
  readonly check: Check;
  /** Of whom: a mark, a path, a process. */
  readonly where: string;
  readonly what: string;
}

export function judge(stories: ApiStories, history: History): readonly Breach[] {
  return [
    ...checkAnswers(stories, history),
    ...checkKeys(stories, history),
    ...checkChains(stories, history),
    ...checkBounds(stories, history),
    ...checkWatchers(stories),
    ...checkBatches(stories, history),
    ...checkStatuses(stories),
    ...checkIdle(stories),
    ...checkLogs(stories, history),
  ];
}
