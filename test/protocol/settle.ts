/**
 * Takes out of a state what can do nothing any more, so that the explorer does not play through in how many
 * orders nothing happens. Each is settled as its own next steps would settle it:
 *
 *   - a job behind its run: whoever fetched it would finish it, and so does whoever holds it;
 *   - an add of a job behind its run, which would only make such a job;
 *   - a reply that was bought under a claim that is over: its append will be refused;
 *   - a run as the reconciler saw it, when it is that no longer.
 *
 * None of it is true once Redis may go back in time, or without the rules that it follows from: then a state is
 * left as it is. A test holds small worlds with and without this against each other.
 */
import { type Entry, goesOn, type Reconciler, type Run, type State, type Worker } from "./model.ts";
import type { RuleName, Rules } from "./rules.ts";
import { inHandOf, waste } from "./waste.ts";

const FOLLOWS_FROM: readonly RuleName[] = [
  "claim.behind",
  "fence.claim",
  "fence.epoch",
  "fence.status",
  "end.claim",
  "end.epoch",
  "enqueue.ticket",
  "requeue.compare",
  "reconciler.requeue",
];

/** Whether states of this world may be settled. */
export function settles(rules: Rules, loss: number): boolean {
  // Without both of these a run that rests may be given a ticket, as one that has ended has it already.
  const admitsRightly = rules["feed.status"] || rules["admission.leave"];
  return loss === 0 && admitsRightly && FOLLOWS_FROM.every((name) => rules[name]);
}

export function settle(state: State, turns: readonly number[]): State {
  const { run, jobs } = state.redis;
  const isBehind = (entry: Entry): boolean => entry.ticket < run.ticket;
  let { wasted } = state;
  const workers = state.workers.map((worker): Worker => {
    if (worker.at === "idle") return worker;
    const isSpent = isInVain(worker, state, turns);
    if (isSpent) ({ wasted } = waste(state, { wasted }, inHandOf(worker)));
    const isThrough = isSpent || worker.at === "fetched" || worker.at === "finishing";
    if (isThrough && isBehind(worker)) return { at: "idle" };
    return isSpent ? { at: "finishing", pool: worker.pool, ticket: worker.ticket } : worker;
  });
  return {
    ...state,
    wasted,
    workers,
    redis: { run, jobs: jobs.filter((job) => !isBehind(job)) },
    reconcilers: state.reconcilers.map((one) => (isOutdated(one, run) ? { at: "idle" } : one)),
    feeders: state.feeders.map((one) => (one.at === "adding" && isBehind(one) ? { at: "idle" } : one)),
    adds: state.adds.filter((entry) => !isBehind(entry)),
    copies: state.copies.filter((command) => command.kind !== "add" || !isBehind(command)),
  };
}

/** Work under a claim that is over, of which not even an add can come that is not behind the run. */
function isInVain(worker: Worker, { redis, left }: State, turns: readonly number[]): boolean {
  const { run } = redis;
  if (worker.at === "ending") {
    const { commit, add } = worker;
    if (commit !== undefined && run.claim === commit.claim && run.epoch === commit.epoch) return false;
    // One that took effect may be answered with an entry, which is added then.
    if (commit !== undefined && !goesOn(commit.outcome) && run.committed?.claim === commit.claim)
      return false;
    return add === undefined || add.ticket < run.ticket;
  }
  if (worker.at !== "session") return false;
  if (run.claim === worker.claim && run.epoch === worker.epoch) return false;
  const mayEnd = worker.told || left.backoff > 0 || worker.reply.turn + 1 >= (turns[worker.phase] ?? 0);
  return !mayEnd || worker.ticket + 1 < run.ticket;
}

function isOutdated(one: Reconciler, run: Run): boolean {
  if (one.at === "idle") return false;
  if (one.at === "adding") return one.ticket < run.ticket;
  return run.ticket !== one.ticket || run.epoch !== one.epoch || run.claim !== one.claim;
}
