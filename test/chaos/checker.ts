/**
 * Judges a chaos history: what must hold of it whatever broke. Each invariant has its file; what they have in common is
 * that they go by what was seen from outside (Redis' own stream and log, the providers' books, the tools' books, the
 * producers' answers), never by what a worker believed.
 */
import { checkConversation } from "./check-conversation.ts";
import { checkEndings } from "./check-endings.ts";
import { checkEpochs } from "./check-epochs.ts";
import { checkLog } from "./check-log.ts";
import { checkProgress } from "./check-progress.ts";
import { checkPurchases } from "./check-purchases.ts";
import { checkSecrets } from "./check-secrets.ts";
import { tellStory } from "./check-story.ts";
import { checkSubmissions } from "./check-submissions.ts";
import { checkTickets } from "./check-tickets.ts";
import { checkTools } from "./check-tools.ts";
import type { History, Violation } from "./history.ts";

export { type Measures, measure, type Times } from "./check-measure.ts";

export interface CheckOptions {
  /** How long a run may show no sign of life when nothing hinders it (R4), in milliseconds; default 30 s. */
  readonly recoveryMsMax?: number;
}

/** What is wrong with `history`; empty when every invariant held. */
export function checkHistory(history: History, { recoveryMsMax }: CheckOptions = {}): readonly Violation[] {
  const story = tellStory(history);
  return [
    ...checkSubmissions(story),
    ...story.runs.flatMap((run) => [
      ...checkEndings(run, story),
      ...checkEpochs(run),
      ...checkLog(run),
      ...checkTickets(run),
      ...checkConversation(run),
    ]),
    ...checkProgress(story, recoveryMsMax),
    ...checkPurchases(story),
    ...checkTools(story),
    ...checkSecrets(history),
  ];
}
