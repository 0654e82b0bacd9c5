/**
 * What the Lua scripts and BullMQ's `add` do to Redis, in the model: the same checks in the same order. Each is
 * a pure function; a command without effect returns the very object that it was given, which is how "nothing
 * changed" is told (R1). The ghost fields record what really happened, whatever rules are off.
 */
import { isLive, isTerminal, type RunStatus, type TerminalStatus } from "../../packages/core/src/state.ts";
import { type Command, type Entry, type Item, type Job, NONE, type Redis, type Run } from "./model.ts";
import type { Rules } from "./rules.ts";

export interface Reply {
  readonly redis: Redis;
  /** The tag that the script replies. */
  readonly tag:
    | "claimed"
    | "finished"
    | "ahead"
    | "early"
    | "appended"
    | "committed"
    | "requeued"
    | "cancelled"
    | "paused"
    | "resumed"
    | "retried"
    | "added"
    | "fed"
    | "replaced"
    | "nothing"
    | "duplicate"
    | "diverged"
    | "fenced"
    | "moved"
    | "refused";
  /** The entry that is to be added behind it. */
  readonly entry?: Entry;
}

const OPERATIONS_MAX = 8;
const FEWER_OPERATIONS_MAX = 4;

export function execute(command: Command, redis: Redis, rules: Rules): Reply {
  switch (command.kind) {
    case "claim":
      return claim(command, redis, rules);
    case "append":
      return append(command, redis, rules);
    case "commit":
      return commit(command, redis, rules);
    case "requeue":
      return requeue(command, redis, rules);
    case "cancel":
    case "pause":
    case "resume":
    case "retry":
      return operate(command, redis, rules);
    case "add":
      return add(command, redis);
    case "feed":
      return feed(redis, rules);
    case "audit":
      return audit(redis);
  }
}

type Of<Kind extends Command["kind"]> = Extract<Command, { kind: Kind }>;

function claim(command: Of<"claim">, redis: Redis, rules: Rules): Reply {
  const { run } = redis;
  if (rules["claim.status"] && run.status !== "queued" && run.status !== "running")
    return { redis, tag: "finished" };
  if (rules["claim.admission"] && command.ticket === 0) return { redis, tag: "finished" };
  if (rules["claim.behind"] && command.ticket < run.ticket) return { redis, tag: "finished" };
  if (command.ticket > run.ticket) return { redis, tag: rules["claim.ahead"] ? "ahead" : "finished" };
  if (rules["claim.pool"] && command.pool !== run.pool) return { redis, tag: "finished" };
  if (rules["claim.own"] && run.status === "running" && run.claim === command.claim)
    return { redis, tag: "claimed" };
  if (rules["claim.early"] && run.early) return { redis, tag: "early" };
  if (run.pausing) return { redis: withRun(redis, park(run, rules)), tag: "finished" };
  const granted: Run = {
    ...run,
    status: "running",
    claim: command.claim,
    epoch: run.epoch + 1,
    early: false,
    ghost: { ...run.ghost, holder: command.claim, grants: run.ghost.grants + 1 },
  };
  return { redis: withRun(redis, granted), tag: "claimed" };
}

function append(command: Of<"append">, redis: Redis, rules: Rules): Reply {
  const { run } = redis;
  if (!fenceHolds(command, run, rules)) return { redis, tag: "fenced" };
  if (rules["append.length"] && run.log.length !== command.length) {
    const there = run.log[command.length];
    return { redis, tag: there?.id === command.item.id ? "duplicate" : "diverged" };
  }
  return { redis: withRun(redis, { ...run, log: [...run.log, command.item] }), tag: "appended" };
}

function commit(command: Of<"commit">, redis: Redis, rules: Rules): Reply {
  const { run } = redis;
  const mark = run.committed;
  if (
    rules["commit.mark"] &&
    mark !== undefined &&
    mark.ticket === command.ticket &&
    mark.claim === command.claim
  )
    return queuedAs(redis, { redis, tag: "duplicate" });
  if (!fenceHolds(command, run, rules)) return { redis, tag: "fenced" };
  if (rules["commit.ticket"] && run.ticket !== command.ticket) return { redis, tag: "fenced" };
  if (rules["commit.length"] && run.log.length !== command.length) return { redis, tag: "diverged" };
  const { ticket, claim: by, outcome } = command;
  const ghost = { ...run.ghost, committedTicketMax: Math.max(ticket, run.ghost.committedTicketMax) };
  const log = command.items.length === 0 ? run.log : [...run.log, ...command.items];
  const ended: Run = { ...run, log, ghost, committed: { ticket, claim: by } };
  const left = leave(ended, outcome, command.pool, rules);
  const next = withRun(redis, left);
  return queuedAs(next, { redis: next, tag: "committed" });
}

/** The reply with the entry to add, if the run is queued now. */
function queuedAs({ run }: Redis, reply: Reply): Reply {
  return run.status === "queued" ? { ...reply, entry: entryOf(run) } : reply;
}

/** Where a commit sends the run. */
function leave(run: Run, outcome: Of<"commit">["outcome"], pool: number, rules: Rules): Run {
  switch (outcome) {
    case "succeeded":
    case "failed":
      return finish(run, outcome, rules);
    case "wait":
      if (rules["commit.wait"] && !run.pausing) return enqueue(run, run.pool, false, rules);
      return park(run, rules);
    case "handoff":
    case "requeue": {
      const moved = outcome === "handoff" ? { ...run, phase: run.phase + 1 } : run;
      if (run.pausing) return { ...park(moved, rules), pool };
      return enqueue(moved, pool, outcome === "requeue", rules);
    }
  }
}

function requeue(command: Of<"requeue">, redis: Redis, rules: Rules): Reply {
  const { run } = redis;
  if (seen(run, command.operation, rules)) return { redis, tag: "duplicate", entry: entryOf(run) };
  const asSeen =
    run.status === command.status &&
    run.ticket === command.ticket &&
    run.epoch === command.epoch &&
    run.claim === command.claim;
  if (rules["requeue.compare"] && !asSeen) return { redis, tag: "moved" };
  if (isUnadmitted(run)) return { redis, tag: "moved" };
  const noted = note(run, command.operation, rules);
  if (run.pausing) return { redis: withRun(redis, park(noted, rules)), tag: "moved" };
  const next = enqueue(noted, run.pool, run.early, rules);
  return { redis: withRun(redis, next), tag: "requeued", entry: entryOf(next) };
}

function operate(
  command: Of<"cancel" | "pause" | "resume"> | Of<"retry">,
  redis: Redis,
  rules: Rules,
): Reply {
  const { run } = redis;
  if (seen(run, command.operation, rules)) {
    const goesOn = command.kind === "retry" || (command.kind === "resume" && run.status === "queued");
    return goesOn ? { redis, tag: "duplicate", entry: entryOf(run) } : { redis, tag: "duplicate" };
  }
  switch (command.kind) {
    case "cancel": {
      if (isTerminal(run.status)) return { redis, tag: "refused" };
      return {
        redis: withRun(redis, finish(done(run, command.operation, rules), "cancelled", rules)),
        tag: "cancelled",
      };
    }
    case "pause": {
      if (run.status !== "queued" && run.status !== "running") return { redis, tag: "refused" };
      const noted = asked(done(run, command.operation, rules), true);
      const paused =
        run.status === "running" ? { ...noted, pausing: true } : { ...park(noted, rules), early: run.early };
      return { redis: withRun(redis, paused), tag: "paused" };
    }
    case "resume": {
      const noted = asked(done(run, command.operation, rules), false);
      if (run.status === "running" && run.pausing)
        return { redis: withRun(redis, { ...noted, pausing: false }), tag: "resumed" };
      if (run.status !== "waiting") return { redis, tag: "refused" };
      const next = enqueue(noted, run.pool, run.early, rules);
      return { redis: withRun(redis, next), tag: "resumed", entry: entryOf(next) };
    }
    case "retry":
      return retry(command, redis, rules);
  }
}

function retry(command: Of<"retry">, redis: Redis, rules: Rules): Reply {
  const { run } = redis;
  if (run.status !== "failed" && run.status !== "cancelled") return { redis, tag: "refused" };
  const asSeen = run.epoch === command.epoch && run.log.length === command.item.seq;
  if (rules["retry.compare"] && !asSeen) return { redis, tag: "moved" };
  const recorded: Run = { ...done(run, command.operation, rules), log: [...run.log, command.item] };
  const next = enqueue(recorded, run.pool, false, rules);
  return { redis: withRun(redis, next), tag: "retried", entry: entryOf(next) };
}

/** Admits the run, if it is its turn; takes a place away that is no run's that waits. */
function feed(redis: Redis, rules: Rules): Reply {
  const { run } = redis;
  if (!run.place || (rules["feed.early"] && run.early)) return { redis, tag: "nothing" };
  if (rules["feed.status"] && !isUnadmitted(run))
    return { redis: withRun(redis, { ...run, place: false }), tag: "nothing" };
  const admitted: Run = {
    ...run,
    ticket: 1,
    early: false,
    place: false,
    ghost: { ...run.ghost, admitted: true },
  };
  return { redis: withRun(redis, admitted), tag: "fed", entry: entryOf(admitted) };
}

/** Gives a run that waits for its admission its place back. */
function audit(redis: Redis): Reply {
  const { run } = redis;
  if (!isUnadmitted(run) || run.place) return { redis, tag: "nothing" };
  return { redis: withRun(redis, { ...run, place: true }), tag: "replaced" };
}

/** BullMQ's add: nothing, when the id is there in any state. */
function add(entry: Entry, redis: Redis): Reply {
  if (jobOf(redis, entry) !== undefined) return { redis, tag: "duplicate" };
  const job: Job = { pool: entry.pool, ticket: entry.ticket, at: "ready" };
  const jobs = [...redis.jobs, job].sort((a, b) => a.pool - b.pool || a.ticket - b.ticket);
  return { redis: { run: redis.run, jobs }, tag: "added" };
}

export function jobOf(redis: Redis, { pool, ticket }: Entry): Job | undefined {
  return redis.jobs.find((job) => job.ticket === ticket && job.pool === pool);
}

/** The job at another place, or gone when `at` is undefined. */
export function moveJob(redis: Redis, { pool, ticket }: Entry, at: Job["at"] | undefined): Redis {
  const jobs: Job[] = [];
  for (const job of redis.jobs) {
    if (job.ticket !== ticket || job.pool !== pool) jobs.push(job);
    else if (at !== undefined) jobs.push({ pool, ticket, at });
  }
  return { run: redis.run, jobs };
}

export function withRun(redis: Redis, run: Run): Redis {
  return { run, jobs: redis.jobs };
}

export function lastOf(items: readonly Item[]): Item["id"] {
  return items.at(-1)?.id ?? NONE;
}

function fenceHolds(fence: { claim: number; epoch: number }, run: Run, rules: Rules): boolean {
  if (rules["fence.status"] && run.status !== "running") return false;
  if (rules["fence.epoch"] && run.epoch !== fence.epoch) return false;
  return !rules["fence.claim"] || run.claim === fence.claim;
}

function finish(run: Run, status: TerminalStatus, rules: Rules): Run {
  return endClaim(run, status, rules);
}

function park(run: Run, rules: Rules): Run {
  return endClaim(run, "waiting", rules);
}

function endClaim(run: Run, status: RunStatus, rules: Rules): Run {
  return {
    ...run,
    status,
    epoch: rules["end.epoch"] ? run.epoch + 1 : run.epoch,
    claim: rules["end.claim"] ? NONE : run.claim,
    place: rules["admission.leave"] ? false : run.place,
    pausing: false,
    early: false,
    ghost: { ...run.ghost, holder: NONE },
  };
}

function enqueue(run: Run, pool: number, early: boolean, rules: Rules): Run {
  const raised = rules["enqueue.skips"] && !isLive(run.status) ? 2 : 1;
  const waits = run.ticket === 0 && rules["enqueue.admission"];
  const ticket = waits ? 0 : run.ticket + (rules["enqueue.ticket"] ? raised : 0);
  return { ...endClaim(run, "queued", rules), pool, ticket, early, place: waits };
}

/** Whether it waits for its admission: it has no entry, and a place instead. */
export function isUnadmitted(run: Run): boolean {
  return run.status === "queued" && run.ticket === 0;
}

function entryOf(run: Run): Entry {
  return { pool: run.pool, ticket: run.ticket };
}

function seen(run: Run, operation: number, rules: Rules): boolean {
  return rules["operations.remembered"] && run.operations.includes(operation);
}

function note(run: Run, operation: number, rules: Rules): Run {
  const max = rules["operations.eight"] ? OPERATIONS_MAX : FEWER_OPERATIONS_MAX;
  const kept = run.operations.length >= max ? run.operations.slice(1) : run.operations;
  return { ...run, operations: [...kept, operation] };
}

function asked(run: Run, pauseAsked: boolean): Run {
  return { ...run, ghost: { ...run.ghost, pauseAsked } };
}

function done(run: Run, operation: number, rules: Rules): Run {
  const noted = note(run, operation, rules);
  return { ...noted, ghost: { ...run.ghost, done: [...run.ghost.done, operation] } };
}
