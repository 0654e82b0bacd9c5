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
import type { Entry, Reconciler, Run, State, Worker } from "./model.ts";
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
  "lock.token",
];

/** Whether states of this world may be settled. */
export function settles(rules: Rules, loss: number): boolean {
  return loss === 0 && FOLLOWS_FROM.every((name) => rules[name]);
}

export function settle(state: State, turns: readonly number[]): State {
  const { run, jobs } = state.redis;
  const isBehind = (entry: Entry): boolean => entry.ticket < run.ticket;
  let wasted = state;
  const workers = state.workers.map((worker): Worker => {
    const heard = hear(worker, run, state, turns);
    if (heard !== worker) wasted = { ...state, ...waste(state, wasted, inHandOf(worker)) };
    if (heard.at === "ending" && heard.commit === undefined && heard.add !== undefined && isBehind(heard.add))
      return { at: "idle" };
    const isThrough = heard.at === "fetched" || heard.at === "finishing";
    return isThrough && isBehind(heard) ? { at: "idle" } : heard;
  });
  const atWork = (at: number, entry: Entry): boolean => {
    const worker = workers[at];
    return worker !== undefined && worker.at !== "idle" && worker.ticket === entry.ticket;
  };
  return {
    ...state,
    wasted: wasted.wasted,
    workers,
    redis: {
      run,
      jobs: jobs.filter((job) => !isBehind(job) || (typeof job.at === "number" && atWork(job.at, job))),
    },
    reconcilers: state.reconcilers.map((one) => (isInVain(one, run) ? { at: "idle" } : one)),
    adds: state.adds.filter((entry) => !isBehind(entry)),
    copies: state.copies.filter((command) => command.kind !== "add" || !isBehind(command)),
  };
}

/**
 * A call under a claim that is over ends. It is left to itself where it may yet add a job behind a refused commit:
 * when it is the last one of its phase, may fail, or heard of a pause.
 */
function hear(worker: Worker, run: Run, { left }: State, turns: readonly number[]): Worker {
  if (worker.at !== "session" || worker.told || left.backoff > 0) return worker;
  if (worker.reply.turn + 1 >= (turns[worker.phase] ?? 0)) return worker;
  if (run.claim === worker.claim && run.epoch === worker.epoch) return worker;
  return { at: "finishing", pool: worker.pool, ticket: worker.ticket };
}

function isInVain(one: Reconciler, run: Run): boolean {
  if (one.at === "idle") return false;
  if (one.at === "adding") return one.ticket < run.ticket;
  return run.ticket !== one.ticket || run.epoch !== one.epoch || run.claim !== one.claim;
}
