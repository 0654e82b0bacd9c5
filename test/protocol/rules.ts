/** The rules of the protocol that the model can be run without, each named by the place that keeps it. */

export const RULES = {
  "claim.status": "a job of a run that waits or has ended is finished",
  "claim.behind": "a job behind its run is finished",
  "claim.ahead": "a job ahead of its run is put back, never finished",
  "claim.pool": "a job in another pool than its run's is finished",
  "claim.early": "before its time a run is not claimed",
  "claim.own": "a worker's own claim, sent again, is answered with the same fence",
  "claim.admission": "a job of ticket 0 is finished: no run has one",
  "kept.mark": "a kept conversation is used only if the last commit is the one that left it",
  "kept.length": "a kept conversation is used only if the log has the length that it left",
  "fence.claim": "a write carries the exact claim id",
  "fence.epoch": "a write carries the exact epoch",
  "fence.status": "a write is refused unless the run is running",
  "end.claim": "what ends a claim clears its id",
  "end.epoch": "what ends a claim raises the epoch",
  "append.length": "append names the length that it continues",
  "commit.length": "commit names the length that it continues",
  "commit.ticket": "commit carries the ticket that it consumes",
  "commit.mark": "a commit leaves its mark, so that a repeat is told apart",
  "commit.wait": "a commit that waits for a pause that was taken back queues the run instead",
  "commit.add": "the worker adds the next job right behind its commit",
  "enqueue.ticket": "each enqueue raises the ticket",
  "enqueue.skips":
    "from waiting or terminal it skips the ticket that a stale commit may have added a job for",
  "enqueue.admission": "a run that was never admitted goes back to its admission, without a ticket",
  "add.admission": "a run that waits for its admission gets no job",
  "admission.leave": "what ends a run's wait for its admission takes its place there away",
  "feed.status": "only a queued run without a ticket is admitted",
  "feed.early": "before its time a run is not admitted",
  "feed.add": "the feeder adds the job of a run that it admitted",
  "operations.remembered": "the last operations are remembered",
  "operations.eight": "eight of them, not four",
  "retry.compare": "a retry names the epoch and length that its caller saw",
  "requeue.compare": "a requeue happens only if the run is exactly as it was seen",
  "reconciler.requeue": "the reconciler requeues with a new ticket, it never adds an id again",
  "reconciler.lists": "an entry is missing when it is in no list, even if its hash is left",
  "reconciler.place": "a run that lost its place in its admission gets it back",
  "reconciler.twice": "an entry is requeued when it was missing on two looks",
} as const;

export type RuleName = keyof typeof RULES;
/** Which rules are kept. */
export type Rules = Readonly<Record<RuleName, boolean>>;

/** The product's rules without some. */
export function rulesWithout(off: readonly RuleName[]): Rules {
  // The keys of the literal above are exactly the names.
  const names = Object.keys(RULES) as RuleName[];
  // Object.fromEntries forgets its keys' names.
  return Object.fromEntries(names.map((name) => [name, !off.includes(name)])) as Rules;
}
