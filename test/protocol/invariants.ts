/**
 * What must hold on every step. R1, R2, R3, R5, R6 and R7 of the design are told here, from the step and the
 * ghost fields; R4 and "every run can still end" are about what may follow, and explore.ts tells them.
 *
 * `state machine` holds each change of the record against core's `transition`, so that the model and the table
 * that the product documents are one.
 */
import type { ModelId } from "../../packages/core/src/model-id.ts";
import { isTerminal, type RunState, type RunTransition, transition } from "../../packages/core/src/state.ts";
import type { Budget, Command, Fence, Run, State, Worker } from "./model.ts";
import { execute, lastOf, type Reply } from "./scripts.ts";
import type { Step, World } from "./step.ts";

export const INVARIANTS = {
  R1: "a command that is sent twice has the effect of once, and is answered so",
  R2: "only the last claim writes",
  R3: "the log only grows, from what its writer knows, each item in its place",
  R4: "a live run has an entry, or repair brings one back",
  R5: "a written turn is never bought again, and adversity bounds what is thrown away",
  R6: "a run that has ended never changes, except by a retry",
  R7: "a ticket is committed once, a handoff happens once",
  end: "every run can still end, with nothing left behind",
  pause: "a run waits only while a pause asks for it that nobody took back",
  time: "a run does not start before its time",
  admission: "a run that waits for its admission starts by it alone",
  "state machine": "the record moves as core's state machine says",
} as const;

export type Invariant = keyof typeof INVARIANTS;

/** The invariants that a step breaks. */
export function broken(before: State, step: Step, world: World): readonly Invariant[] {
  const found: Invariant[] = [];
  const was = before.redis.run;
  const { sent, next } = step;
  if (sent !== undefined) {
    const { command, reply } = sent;
    const is = reply.redis.run;
    if (!isIdempotent(command, reply, world) || isDoneTwice(command, reply, was)) found.push("R1");
    // A place that nobody waits in is no part of the record.
    const isTidied = command.kind === "feed" && reply.tag === "nothing";
    if (is !== was && !isTidied) {
      if (isWrite(command) && !isHolder(command, was)) found.push("R2");
      if (!growsRightly(command, was, is)) found.push("R3");
      if (isTerminal(was.status) && command.kind !== "retry") found.push("R6");
      if (command.kind === "commit" && command.ticket <= was.ghost.committedTicketMax) found.push("R7");
      else if (is.log.filter((item) => item.kind === "handoff").length >= world.turns.length)
        found.push("R7");
      if (is.status === "waiting" && !is.ghost.pauseAsked) found.push("pause");
      const starts = command.kind === "claim" && is.status === "running";
      if (was.early && (starts || command.kind === "feed")) found.push("time");
      if (starts && !is.ghost.admitted) found.push("admission");
      if (world.holdsToCore && !followsCore(command, was, is)) found.push("state machine");
    }
  }
  if (!isBoughtOnce(next, world)) found.push("R5");
  return found;
}

const AGAIN: Partial<Record<Reply["tag"], Reply["tag"]>> = {
  claimed: "claimed",
  appended: "duplicate",
  committed: "duplicate",
  requeued: "duplicate",
  cancelled: "duplicate",
  paused: "duplicate",
  resumed: "duplicate",
  retried: "duplicate",
  added: "duplicate",
  fed: "nothing",
  replaced: "nothing",
};

/** Sent again at once, a command changes nothing; one that took effect says that it did. */
function isIdempotent(command: Command, reply: Reply, { rules }: World): boolean {
  const again = execute(command, reply.redis, rules);
  const due = AGAIN[reply.tag];
  return again.redis === reply.redis && (due === undefined || again.tag === due);
}

/** An operation of people took effect in the surviving history, and takes effect now. */
function isDoneTwice(command: Command, reply: Reply, was: Run): boolean {
  if (!("operation" in command) || command.kind === "requeue") return false;
  return reply.redis.run !== was && was.ghost.done.includes(command.operation);
}

function isWrite(command: Command): command is Extract<Command, { kind: "append" | "commit" }> {
  return command.kind === "append" || command.kind === "commit";
}

function isHolder({ claim, grant }: Fence, { ghost }: Run): boolean {
  return ghost.holder === claim && ghost.grants === grant;
}

function growsRightly(command: Command, was: Run, is: Run): boolean {
  if (isWrite(command) && command.last !== lastOf(was.log)) return false;
  return (
    was.log.every((item, place) => is.log[place]?.id === item.id) &&
    is.log.every((item, place) => item.seq === place)
  );
}

/** Turns of each phase in order, each once, by the phase's own model; waste within what adversity excuses. */
function isBoughtOnce(state: State, world: World): boolean {
  const bought = world.turns.map(() => 0);
  for (const item of state.redis.run.log) {
    if (item.kind !== "reply") continue;
    if (item.turn !== bought[item.phase] || item.pool !== item.phase) return false;
    bought[item.phase] = item.turn + 1;
  }
  return !state.workers.some((worker) => buysAgain(worker, state)) && state.wasted <= excuses(state, world);
}

/** Whoever holds the claim is at a call whose turn the log has, and not as the reply to that very call. */
function buysAgain(worker: Worker, { redis }: State): boolean {
  if (worker.at !== "session") return false;
  const { run } = redis;
  const { reply } = worker;
  if (run.status !== "running" || run.claim !== worker.claim || run.epoch !== worker.epoch) return false;
  return run.log.some(
    ({ kind, phase, turn, id }) =>
      kind === "reply" && phase === reply.phase && turn === reply.turn && id !== reply.id,
  );
}

/**
 * How many replies in flight the adversities so far may have cost. A worker that lost its lock may still claim
 * late, and take the run from the one that has the lock: that one then finishes the job, and the reconciler takes
 * the run from the first in turn. So a stall may cost two, unless calls are quicker than the reconciler.
 */
function excuses({ left, workers, usurped }: State, { budget, quickCalls }: World): number {
  const spent = (what: keyof Budget): number => budget[what] - left[what];
  const ofStalls = (quickCalls ? 1 : 2) * spent("stall");
  const ofLosses = 2 * workers.length * spent("loss");
  // With the job gone from under a healthy worker, an add that is sent again calls a second one in.
  const ofAdds = ofStalls + ofLosses > 0 ? spent("unanswered") + spent("late") : 0;
  return spent("crash") + spent("cancel") + spent("orphan") + ofStalls + ofLosses + ofAdds + usurped;
}

function followsCore(command: Command, was: Run, is: Run): boolean {
  const event = eventOf(command);
  if (event === undefined) return was.status === is.status && was.epoch === is.epoch;
  const result = transition(coreState(was), event);
  if (result.kind === "refused") return false;
  const { state } = result;
  const isPausing = state.status === "running" && state.pausing;
  return (
    state.status === is.status &&
    state.epoch === is.epoch &&
    state.ticket === is.ticket &&
    state.pool === modelOf(is.pool) &&
    isPausing === is.pausing
  );
}

function eventOf(command: Command): RunTransition | undefined {
  switch (command.kind) {
    case "append":
    case "add":
    case "audit":
      return undefined;
    case "feed":
      return { kind: "admit" };
    case "commit":
      switch (command.outcome) {
        case "handoff":
          return { kind: "handoff", pool: modelOf(command.pool) };
        case "requeue":
          return { kind: "requeue" };
        case "wait":
          return { kind: "wait", reason: "paused" };
        case "succeeded":
          return { kind: "succeed" };
        case "failed":
          return { kind: "fail" };
      }
      return undefined;
    default:
      return { kind: command.kind };
  }
}

function coreState(run: Run): RunState {
  const base = { epoch: run.epoch, ticket: run.ticket, pool: modelOf(run.pool) };
  switch (run.status) {
    case "queued":
      return { ...base, status: "queued", notBefore: undefined };
    case "running":
      return { ...base, status: "running", pausing: run.pausing };
    case "waiting":
      return { ...base, status: "waiting", reason: "paused" };
    default:
      return { ...base, status: run.status };
  }
}

function modelOf(pool: number): ModelId {
  // The constructor of the brand: the text has the form of a model id.
  return `model/${pool}` as ModelId;
}
