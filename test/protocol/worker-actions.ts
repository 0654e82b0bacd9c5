/**
 * What a worker does, after run-phase.ts and phase-session.ts: fetch → claim → call the model, and append each
 * reply → commit the last one with where the run goes, the next job's add right behind → finish the job.
 *
 * A call begins at once after a claim or an append, and is paid for from then on: to die before it is the lesser
 * harm. So R5 counts a reply as wasted whenever its worker is lost with it in hand.
 */
import {
  type Command,
  type Entry,
  type Fence,
  goesOn,
  type Item,
  type Kept,
  type Outcome,
  type Run,
  type Session,
  type State,
  type Worker,
} from "./model.ts";
import type { Rules } from "./rules.ts";
import { jobOf, lastOf, moveJob, type Reply } from "./scripts.ts";
import { nameOf, type Sink, spend } from "./step.ts";
import { inHandOf, waste } from "./waste.ts";

type At<Place extends Worker["at"]> = Extract<Worker, { at: Place }>;
type Commit = Extract<Command, { kind: "commit" }>;
type Busy = Exclude<Worker, { at: "idle" }>;

const IDLE: Worker = { at: "idle" };

export function workerSteps(sink: Sink): void {
  const { workers } = sink.state;
  workers.forEach((worker, own) => {
    switch (worker.at) {
      case "idle":
        // Idle workers are alike, but for what they keep: otherwise the first of them fetches.
        if (sink.world.keeps || workers.findIndex((one) => one.at === "idle") === own) fetchSteps(sink, own);
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

function fetchSteps({ state, move }: Sink, own: number): void {
  for (const job of state.redis.jobs) {
    if (job.at !== "ready") continue;
    const { pool, ticket } = job;
    move("work", `worker ${own} fetches ${nameOf(job)}`, {
      redis: moveJob(state.redis, job, own),
      fresh: state.fresh + 1,
      ...become(state, own, { at: "fetched", pool, ticket, claim: state.fresh }),
    });
  }
}

function claimSteps(sink: Sink, own: number, worker: At<"fetched">): void {
  const { state } = sink;
  const { pool, ticket, claim } = worker;
  const command: Command = { kind: "claim", pool, ticket, claim };
  const kept = keep(state, own, undefined);
  sink.send("work", `worker ${own} claims by ${nameOf(worker)}`, command, (reply) => {
    switch (reply.tag) {
      case "claimed": {
        const next = beginSession(sink, own, worker, reply);
        return { fresh: state.fresh + 2, ...kept, ...become(state, own, next) };
      }
      case "ahead":
      case "early":
        // Put back with a delay, which BullMQ refuses when the lock is not this worker's.
        return { ...kept, ...release(reply, own, worker, "ready"), ...become(state, own, IDLE) };
      default:
        return { ...kept, ...become(state, own, { at: "finishing", pool, ticket }) };
    }
  });
}

function beginSession({ state, world }: Sink, own: number, worker: At<"fetched">, reply: Reply): Worker {
  const { pool, ticket, claim } = worker;
  const { run } = reply.redis;
  const { epoch, phase, ghost } = run;
  const kept = state.kept[own];
  const view = kept !== undefined && isGood(kept, run, world.rules) ? kept.items : run.log;
  const now = { pool, ticket, claim, epoch, grant: ghost.grants, phase, view, told: false };
  return decide(world.turns, now, [], state.fresh);
}

/** Whether the claim finds the conversation as it was kept. */
function isGood({ ticket, claim, items }: Kept, { committed, log }: Run, rules: Rules): boolean {
  const isMarked = committed?.ticket === ticket && committed.claim === claim;
  return (isMarked || !rules["kept.mark"]) && (items.length === log.length || !rules["kept.length"]);
}

type Conversation = Omit<Session, "at" | "reply" | "sent">;

/** What comes next, from the conversation and the reply in hand: call the model, wait, hand over or succeed. */
function decide(turns: readonly number[], now: Conversation, inHand: readonly Item[], fresh: number): Worker {
  const { phase, pool, told } = now;
  const items = [...now.view, ...inHand];
  const turn = items.filter((item) => item.kind === "reply" && item.phase === phase).length;
  const seq = items.length;
  if (turn < (turns[phase] ?? 0)) {
    if (told) return ending(now, "wait", pool, inHand);
    return {
      at: "session",
      ...now,
      reply: { id: fresh, kind: "reply", seq, phase, pool, turn },
      sent: false,
    };
  }
  if (phase === turns.length - 1) return ending(now, "succeeded", pool, inHand);
  const handoff: Item = { id: fresh + 1, kind: "handoff", seq, phase, pool: phase + 1, turn };
  return ending(now, "handoff", phase + 1, [...inHand, handoff]);
}

function ending(now: Conversation, outcome: Outcome, to: number, items: readonly Item[]): At<"ending"> {
  const { pool, ticket } = now;
  return {
    at: "ending",
    pool,
    ticket,
    commit: { kind: "commit", ...fenceOf(now), ticket, outcome, pool: to, items },
    add: goesOn(outcome) ? { pool: to, ticket: ticket + 1 } : undefined,
  };
}

function fenceOf({ claim, epoch, grant, view }: Conversation): Fence {
  return { claim, epoch, grant, length: view.length, last: lastOf(view) };
}

function sessionSteps(sink: Sink, own: number, worker: Session): void {
  const { state, world } = sink;
  const { reply: item, pool, claim } = worker;
  const { run } = state.redis;
  const ends = decide(world.turns, worker, [item], state.fresh);
  if (ends.at === "ending" && !worker.sent)
    sink.move("work", `worker ${own} has the last reply`, {
      fresh: state.fresh + 2,
      ...become(state, own, ends),
    });
  else appendStep(sink, own, worker);
  if (worker.sent) return;
  if (run.pausing && run.claim === claim && !worker.told)
    sink.move("work", `worker ${own} hears of the pause`, become(state, own, { ...worker, told: true }));
  if (state.left.backoff > 0)
    sink.move("adverse", `worker ${own}'s call is to be tried later`, {
      ...become(state, own, ending(worker, "requeue", pool, [])),
      ...spend(state, "backoff"),
    });
  if (state.left.refusal > 0)
    sink.move("adverse", `worker ${own}'s call fails for good`, {
      ...become(state, own, ending(worker, "failed", pool, [])),
      ...spend(state, "refusal"),
    });
}

function appendStep(sink: Sink, own: number, worker: Session): void {
  const { state, world } = sink;
  const { reply: item, view, told, pool, ticket } = worker;
  const command: Command = { kind: "append", ...fenceOf(worker), item };
  const answered = (reply: Reply): Partial<State> => {
    if (reply.tag !== "appended" && reply.tag !== "duplicate")
      return { ...waste(reply, state, [item]), ...become(state, own, { at: "finishing", pool, ticket }) };
    const now = { ...worker, view: [...view, item], told: told || reply.redis.run.pausing };
    return { fresh: state.fresh + 2, ...become(state, own, decide(world.turns, now, [], state.fresh)) };
  };
  const unheard = become(state, own, { ...worker, sent: true });
  sink.send("work", `worker ${own} appends turn ${item.turn}`, command, answered, unheard);
}

/**
 * The commit and the add behind it: in order, unless a flushed script cache lets the add overtake. A commit that
 * was to leave the run without an entry is answered with one when the run goes on after all; that is added then.
 */
function endSteps(sink: Sink, own: number, worker: At<"ending">): void {
  const { state, world } = sink;
  const { commit, pool, ticket } = worker;
  const add = commit === undefined || world.rules["commit.add"] ? worker.add : undefined;
  const left = (rest: Pick<At<"ending">, "commit" | "add">): Partial<State> => {
    const isOver = rest.commit === undefined && rest.add === undefined;
    return become(state, own, isOver ? { at: "finishing", pool, ticket } : { ...worker, ...rest });
  };
  if (commit !== undefined)
    sink.send("repair", `worker ${own} commits ${commit.outcome} of ticket ${ticket}`, commit, (reply) => ({
      ...waste(reply, state, commit.items),
      ...(world.keeps ? keepAfter(sink, own, commit, reply) : {}),
      ...left({ commit: undefined, add: goesOn(commit.outcome) ? add : reply.entry }),
    }));
  if (add === undefined) return;
  const command: Command = { kind: "add", ...add };
  if (commit === undefined)
    sink.send("repair", `worker ${own} adds ${nameOf(add)}`, command, () => left({ commit, add: undefined }));
  else if (state.left.flush > 0)
    sink.send("adverse", `worker ${own} adds ${nameOf(add)} ahead of its commit`, command, () => ({
      ...left({ commit, add: undefined }),
      ...spend(state, "flush"),
    }));
}

/** The conversation as a commit left it, if the run is to be claimed again. */
function keepAfter({ state }: Sink, own: number, commit: Commit, reply: Reply): Partial<State> {
  if (reply.tag !== "committed" || reply.entry === undefined) return {};
  const { ticket, claim, length } = commit;
  // What the writer knows is what was there: `length` was compared.
  const items = [...state.redis.run.log.slice(0, length), ...commit.items];
  return keep(state, own, { ticket, claim, items });
}

function keep(state: State, own: number, kept: Kept | undefined): Pick<State, "kept"> {
  return { kept: state.kept.map((one, index) => (index === own ? kept : one)) };
}

function finishStep(sink: Sink, own: number, worker: At<"finishing">): void {
  const { state } = sink;
  sink.move("work", `worker ${own} finishes ${nameOf(worker)}`, {
    ...release(state, own, worker, undefined),
    ...become(state, own, IDLE),
  });
}

/** What BullMQ does to the job when its worker is through with it: nothing, if the lock is not that worker's. */
function release(
  { redis }: Pick<State, "redis">,
  own: number,
  job: Entry,
  to: "ready" | undefined,
): Pick<State, "redis"> {
  return { redis: jobOf(redis, job)?.at === own ? moveJob(redis, job, to) : redis };
}

/** The process dies; its lock ends in time, which is left out: nobody can tell such a job from a ready one. */
function crashStep({ state, move }: Sink, own: number, worker: Busy): void {
  if (state.left.crash === 0) return;
  move("adverse", `worker ${own} dies`, {
    ...waste(state, state, inHandOf(worker)),
    ...keep(state, own, undefined),
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
