/**
 * What a worker does, after run-phase.ts and phase-session.ts: fetch → claim → buy replies and append them →
 * commit, with the next job's add right behind → finish the job. It buys at once after a claim or an append: to
 * die before buying is the lesser harm, so only dying with a reply in hand is looked at.
 */
import type { Command, Entry, Fence, Item, Session, State, Worker } from "./model.ts";
import { jobOf, lastOf, moveJob, type Reply } from "./scripts.ts";
import { nameOf, type Sink, spend } from "./step.ts";

type At<Place extends Worker["at"]> = Extract<Worker, { at: Place }>;
type Busy = Exclude<Worker, { at: "idle" }>;

const IDLE: Worker = { at: "idle" };

export function workerSteps(sink: Sink): void {
  const { workers } = sink.state;
  workers.forEach((worker, own) => {
    switch (worker.at) {
      case "idle":
        // Idle workers are alike: the first of them fetches.
        if (workers.findIndex((one) => one.at === "idle") === own) fetchSteps(sink, own);
        return;
      case "fetched":
        claimSteps(sink, own, worker);
        stallStep(sink, own, worker);
        // To die now would only put the job back.
        return;
      case "session":
        sessionSteps(sink, own, worker);
        break;
      case "ending":
        endSteps(sink, own, worker);
        break;
      case "finishing":
        finishStep(sink, own, worker);
        break;
    }
    stallStep(sink, own, worker);
    crashStep(sink, own, worker);
  });
}

function fetchSteps(sink: Sink, own: number): void {
  const { state } = sink;
  for (const job of state.redis.jobs) {
    if (job.at !== "ready") continue;
    const { pool, ticket } = job;
    sink.move("work", `worker ${own} fetches ${nameOf(job)}`, {
      redis: moveJob(state.redis, job, own),
      fresh: state.fresh + 1,
      ...become(state, own, { at: "fetched", pool, ticket, claim: state.fresh, read: undefined }),
    });
  }
}

function claimSteps(sink: Sink, own: number, worker: At<"fetched">): void {
  const { state } = sink;
  const { pool, ticket, claim } = worker;
  const command: Command = { kind: "claim", pool, ticket, claim };
  sink.send("work", `worker ${own} claims by ${nameOf(worker)}`, command, (reply) => {
    switch (reply.tag) {
      case "claimed":
        return { fresh: state.fresh + 1, ...become(state, own, beginSession(sink, worker, reply)) };
      case "ahead":
      case "early":
        // Put back with a delay, which BullMQ refuses when the lock is not this worker's.
        return { ...release(sink, reply, own, worker, "ready"), ...become(state, own, IDLE) };
      default:
        return become(state, own, { at: "finishing", pool, ticket });
    }
  });
  if (state.left.flush > 0 && worker.read === undefined)
    sink.move("adverse", `worker ${own} reads the log before its claim`, {
      ...become(state, own, { ...worker, read: state.redis.run.log }),
      ...spend(state, "flush"),
    });
}

function beginSession({ state, world }: Sink, worker: At<"fetched">, { redis }: Reply): Worker {
  const { pool, ticket, claim, read } = worker;
  const { log, epoch, phase, ghost } = redis.run;
  const { rules, turns } = world;
  const looksWhole = read !== undefined && (read.length === log.length || !rules["claim.reread"]);
  const view = looksWhole && !rules["claim.readAgain"] ? read : log;
  const now = { pool, ticket, claim, epoch, grant: ghost.grants, phase, view };
  return decide(turns, now, false, state.fresh);
}

type Conversation = Omit<Session, "at" | "reply">;

/** What comes next, from the conversation alone: buy the next turn, hand over, or succeed. */
function decide(turns: readonly number[], now: Conversation, pausing: boolean, fresh: number): Worker {
  const { phase, view, pool } = now;
  const turn = view.filter((item) => item.kind === "reply" && item.phase === phase).length;
  const seq = view.length;
  if (turn < (turns[phase] ?? 0)) {
    if (pausing) return ending(now, "wait", undefined);
    return { at: "session", ...now, reply: { id: fresh, kind: "reply", seq, phase, pool, turn } };
  }
  if (phase === turns.length - 1) return ending(now, "succeeded", undefined);
  return ending(now, "handoff", { id: fresh, kind: "handoff", seq, phase, pool: phase + 1, turn });
}

function ending(
  now: Conversation,
  outcome: Extract<Command, { kind: "commit" }>["outcome"],
  item: Item | undefined,
): At<"ending"> {
  const { pool, ticket } = now;
  const target = outcome === "handoff" && item !== undefined ? item.pool : pool;
  const fence = fenceOf(now);
  const goesOn = outcome === "handoff" || outcome === "requeue";
  return {
    at: "ending",
    pool,
    ticket,
    commit: { kind: "commit", ...fence, ticket, outcome, pool: target, item },
    add: goesOn ? { pool: target, ticket: ticket + 1 } : undefined,
  };
}

function fenceOf({ claim, epoch, grant, view }: Conversation): Fence {
  return { claim, epoch, grant, length: view.length, last: lastOf(view) };
}

function sessionSteps(sink: Sink, own: number, worker: Session): void {
  const { state } = sink;
  const { reply: item, view, pool, ticket } = worker;
  const command: Command = { kind: "append", ...fenceOf(worker), item };
  sink.send("work", `worker ${own} appends turn ${item.turn}`, command, (reply) => {
    if (reply.tag !== "appended" && reply.tag !== "duplicate")
      return { wasted: state.wasted + 1, ...become(state, own, { at: "finishing", pool, ticket }) };
    const now = { ...worker, view: [...view, item] };
    const next = decide(sink.world.turns, now, reply.redis.run.pausing, state.fresh);
    return { fresh: state.fresh + 1, ...become(state, own, next) };
  });
  if (state.left.backoff > 0)
    sink.move("adverse", `worker ${own}'s call is to be tried later`, {
      ...become(state, own, ending(worker, "requeue", undefined)),
      ...spend(state, "backoff"),
    });
  if (state.left.refusal > 0)
    sink.move("adverse", `worker ${own}'s call fails for good`, {
      ...become(state, own, ending(worker, "failed", undefined)),
      ...spend(state, "refusal"),
    });
}

/** The commit and the add behind it: in order, unless a flushed script cache lets the add overtake. */
function endSteps(sink: Sink, own: number, worker: At<"ending">): void {
  const { state, world } = sink;
  const { commit, pool, ticket } = worker;
  const add = world.rules["commit.add"] ? worker.add : undefined;
  const left = (rest: Pick<At<"ending">, "commit" | "add">): Partial<State> => {
    const isOver = rest.commit === undefined && rest.add === undefined;
    return become(state, own, isOver ? { at: "finishing", pool, ticket } : { ...worker, ...rest });
  };
  if (commit !== undefined)
    sink.send("work", `worker ${own} commits ${commit.outcome} of ticket ${ticket}`, commit, () =>
      left({ commit: undefined, add }),
    );
  if (add === undefined) return;
  if (commit === undefined)
    sink.send("repair", `worker ${own} adds ${nameOf(add)}`, { kind: "add", ...add }, () =>
      left({ commit, add: undefined }),
    );
  else if (state.left.flush > 0)
    sink.send(
      "adverse",
      `worker ${own} adds ${nameOf(add)} ahead of its commit`,
      { kind: "add", ...add },
      () => ({
        ...left({ commit, add: undefined }),
        ...spend(state, "flush"),
      }),
    );
}

function finishStep(sink: Sink, own: number, worker: At<"finishing">): void {
  const { state } = sink;
  sink.move("work", `worker ${own} finishes ${nameOf(worker)}`, {
    ...release(sink, state, own, worker, undefined),
    ...become(state, own, IDLE),
  });
}

/** What BullMQ does to the job when its worker is through with it. */
function release(
  { world }: Sink,
  { redis }: Pick<State, "redis">,
  own: number,
  job: Entry,
  to: "ready" | undefined,
): Pick<State, "redis"> {
  const there = jobOf(redis, job);
  if (there === undefined || there.at === "orphan") return { redis };
  if (world.rules["lock.token"] && there.at !== own) return { redis };
  return { redis: moveJob(redis, job, to) };
}

/** The process dies; its lock ends in time, which is left out: nobody can tell such a job from a ready one. */
function crashStep({ state, move }: Sink, own: number, worker: Busy): void {
  if (state.left.crash === 0) return;
  move("adverse", `worker ${own} dies`, {
    wasted: state.wasted + (worker.at === "session" ? 1 : 0),
    ...become(state, own, IDLE),
    ...loseLock(state, own, worker),
    ...spend(state, "crash"),
  });
}

/** The event loop blocks past the lock: BullMQ gives the job to another, and this worker works on. */
function stallStep({ state, move }: Sink, own: number, worker: Busy): void {
  if (state.left.stall === 0 || jobOf(state.redis, worker)?.at !== own) return;
  move("adverse", `worker ${own} loses its lock and works on`, {
    ...loseLock(state, own, worker),
    ...spend(state, "stall"),
  });
}

function loseLock({ redis }: State, own: number, job: Entry): Partial<State> {
  return jobOf(redis, job)?.at === own ? { redis: moveJob(redis, job, "ready") } : {};
}

function become(state: State, own: number, next: Worker): Pick<State, "workers"> {
  return { workers: state.workers.map((worker, index) => (index === own ? next : worker)) };
}
