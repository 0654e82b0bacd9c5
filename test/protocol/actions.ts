/**
 * The transition relation: all that may happen next, one step at a time. Workers are in worker-actions.ts; here
 * are the people outside, the reconciler, the network and Redis itself.
 *
 * A step that sends a command takes its reply too: whoever dies or is delayed between the two does so as a step
 * of its own. A command may be delivered once more at any later time, as the leftover of a broken connection.
 */
import type { Ask, Command, Feeder, Item, Mark, Reconciler, Redis, Run, State } from "./model.ts";
import type { Rules } from "./rules.ts";
import { isUnadmitted, jobOf, moveJob, type Reply, withRun } from "./scripts.ts";
import { createSink, nameOf, type Sink, type Step, spend, type World } from "./step.ts";
import { workerSteps } from "./worker-actions.ts";

export const TIME_COMES = "the run's time comes";

/** All steps from a state. */
export function stepsFrom(state: State, world: World): readonly Step[] {
  const sink = createSink(state, world);
  workerSteps(sink);
  entrySteps(sink);
  peopleSteps(sink);
  state.reconcilers.forEach((_, index) => {
    reconcilerSteps(sink, index);
  });
  state.feeders.forEach((_, index) => {
    feederSteps(sink, index);
  });
  state.copies.forEach((_, index) => {
    sink.deliverCopy(index);
  });
  redisSteps(sink);
  return sink.steps;
}

/** Adds that a producer or an operator has still to send. */
function entrySteps(sink: Sink): void {
  const { state } = sink;
  state.adds.forEach((entry, index) => {
    const adds = state.adds.filter((_, other) => other !== index);
    sink.send("repair", `the sender adds ${nameOf(entry)}`, { kind: "add", ...entry }, () => ({ adds }));
    if (state.left.crash === 0) return;
    sink.move("adverse", `the sender dies before it adds ${nameOf(entry)}`, {
      adds,
      ...spend(state, "crash"),
    });
  });
}

function peopleSteps(sink: Sink): void {
  const { state, world } = sink;
  const { run } = state.redis;
  const operation = state.fresh;
  const fresh = state.fresh + 1;
  const { asks } = state;
  const ask = (kind: Step["kind"], command: Ask, answered: Partial<State>, others: readonly Ask[]): void => {
    const adding = ({ entry }: Reply): Partial<State> => {
      const isWaiting = entry?.ticket === 0 && world.rules["add.admission"];
      return entry === undefined || isWaiting ? {} : { adds: [...state.adds, entry] };
    };
    const label = `somebody sends ${command.kind}`;
    const then = (reply: Reply): Partial<State> => ({ ...answered, ...adding(reply), asks: others });
    sink.send(kind, label, command, then, { ...answered, asks: [...others, command] });
  };
  for (const kind of ["cancel", "pause"] as const)
    if (state.left[kind] > 0) ask("adverse", { kind, operation }, { fresh, ...spend(state, kind) }, asks);
  if (run.status === "waiting" || run.pausing) ask("work", { kind: "resume", operation }, { fresh }, asks);
  asks.forEach((command, index) => {
    const others = asks.filter((_, other) => other !== index);
    const tookEffect = run.operations.includes(command.operation);
    ask(tookEffect ? "repair" : "work", command, {}, others);
  });
  if (state.left.retry > 0 && (run.status === "failed" || run.status === "cancelled"))
    sink.move("adverse", "somebody reads the run, to retry it", {
      asks: [...asks, { kind: "retry", operation, epoch: run.epoch, item: retryItem(run, fresh) }],
      fresh: fresh + 1,
      ...spend(state, "retry"),
    });
}

function retryItem({ log, phase, pool }: Run, id: number): Item {
  return { id, kind: "retry", seq: log.length, phase, pool, turn: 0 };
}

function reconcilerSteps(sink: Sink, index: number): void {
  const { state, world } = sink;
  const { redis } = state;
  const own = state.reconcilers[index];
  const operation = state.fresh;
  const fresh = state.fresh + 1;
  const become = (next: Reconciler): Partial<State> => ({
    reconcilers: state.reconcilers.map((one, other) => (other === index ? next : one)),
  });
  switch (own?.at) {
    case "idle": {
      if (isUnadmitted(redis.run) && !redis.run.place && world.rules["reconciler.place"])
        sink.send("repair", "the reconciler audits the run", { kind: "audit" }, () => ({}));
      if (!looksMissing(redis, world.rules)) return;
      const { status, pool, ticket, epoch, claim } = redis.run;
      const seen = { status, pool, ticket, epoch, claim };
      const next: Reconciler = world.rules["reconciler.twice"]
        ? { at: "suspecting", ...seen }
        : { at: "requeueing", ...seen, operation };
      sink.move("repair", "the reconciler misses the entry", { fresh, ...become(next) });
      return;
    }
    case "suspecting": {
      if (!looksMissing(redis, world.rules) || !isAsSeen(own, redis)) {
        sink.move("repair", "the reconciler suspects no more", become({ at: "idle" }));
        return;
      }
      if (world.quickCalls && isAtWork(state, own.claim)) return;
      const next: Reconciler = { ...own, at: "requeueing", operation };
      sink.move("repair", "the reconciler misses it again", { fresh, ...become(next) });
      return;
    }
    case "requeueing": {
      const { status, pool, ticket, epoch, claim } = own;
      if (!world.rules["reconciler.requeue"]) {
        const command: Command = { kind: "add", pool, ticket };
        sink.send("repair", "the reconciler adds the same id", command, () => become({ at: "idle" }));
        return;
      }
      const seen = { status, pool, ticket, epoch, claim };
      const command: Command = { kind: "requeue", operation: own.operation, ...seen };
      sink.send("repair", "the reconciler requeues", command, ({ entry }) =>
        become(entry === undefined ? { at: "idle" } : { at: "adding", ...entry }),
      );
      return;
    }
    case "adding": {
      const { pool, ticket } = own;
      const adds: Command = { kind: "add", pool, ticket };
      sink.send("repair", `the reconciler adds ${nameOf(own)}`, adds, () => become({ at: "idle" }));
      if (state.left.crash > 0)
        sink.move("adverse", "the reconciler dies before its add", {
          ...become({ at: "idle" }),
          ...spend(state, "crash"),
        });
    }
  }
}

/** The feeder admits the run and adds its job; it looks again and again, so that to be unanswered is to look again. */
function feederSteps(sink: Sink, index: number): void {
  const { state, world } = sink;
  const own = state.feeders[index];
  const become = (next: Feeder): Partial<State> => ({
    feeders: state.feeders.map((one, other) => (other === index ? next : one)),
  });
  if (own?.at === "idle") {
    if (!state.redis.run.place) return;
    sink.send("work", "the feeder admits", { kind: "feed" }, ({ entry }) =>
      entry === undefined || !world.rules["feed.add"] ? {} : become({ at: "adding", ...entry }),
    );
    return;
  }
  if (own === undefined) return;
  const add: Command = { kind: "add", pool: own.pool, ticket: own.ticket };
  sink.send("repair", `the feeder adds ${nameOf(own)}`, add, () => become({ at: "idle" }));
  if (state.left.crash > 0)
    sink.move("adverse", "the feeder dies before its add", {
      ...become({ at: "idle" }),
      ...spend(state, "crash"),
    });
}

/** Whether the run must have an entry and has no job in any list, or waits for its admission and has no place (R4). */
export function hasNoEntry(redis: Redis): boolean {
  const { run } = redis;
  if (isUnadmitted(run)) return !run.place;
  if (run.status !== "queued" && run.status !== "running") return false;
  const job = jobOf(redis, run);
  return job === undefined || job.at === "orphan";
}

function looksMissing(redis: Redis, rules: Rules): boolean {
  return (
    hasNoEntry(redis) &&
    !isUnadmitted(redis.run) &&
    (rules["reconciler.lists"] || jobOf(redis, redis.run) === undefined)
  );
}

function isAsSeen(mark: Mark, { run }: Redis): boolean {
  return run.ticket === mark.ticket && run.epoch === mark.epoch && run.claim === mark.claim;
}

/** Whether a worker is at work under this claim. */
export function isAtWork({ workers }: State, claim: number): boolean {
  return workers.some((worker) => {
    if (worker.at === "session") return worker.claim === claim;
    return worker.at === "ending" && worker.commit?.claim === claim;
  });
}

function redisSteps(sink: Sink): void {
  const { state } = sink;
  const { redis, saved, left } = state;
  if (redis.run.early)
    sink.move("work", TIME_COMES, { redis: withRun(redis, { ...redis.run, early: false }) });
  if (left.orphan > 0)
    for (const job of redis.jobs)
      if (job.at !== "orphan")
        sink.move("adverse", `${nameOf(job)} vanishes from its list`, {
          redis: moveJob(redis, job, "orphan"),
          ...spend(state, "orphan"),
        });
  if (left.orphan > 0 && redis.run.place)
    sink.move("adverse", "the run's place in its admission vanishes", {
      redis: withRun(redis, { ...redis.run, place: false }),
      ...spend(state, "orphan"),
    });
  if (left.loss > 0 && saved !== undefined)
    sink.move("adverse", `Redis loses its last ${saved.writes} writes`, {
      ...spend(state, "loss"),
      redis: withLiveLocks(saved.redis, state),
      saved: undefined,
      // They came by connections that ended with the server.
      copies: [],
    });
}

/** A lock that was restored ends in time, unless its holder is still at that job. */
function withLiveLocks(redis: Redis, { workers }: State): Redis {
  const jobs = redis.jobs.map((job) => {
    const worker = typeof job.at === "number" ? workers[job.at] : undefined;
    if (typeof job.at !== "number") return job;
    const holds =
      worker !== undefined &&
      worker.at !== "idle" &&
      worker.pool === job.pool &&
      worker.ticket === job.ticket;
    return holds ? job : { pool: job.pool, ticket: job.ticket, at: "ready" as const };
  });
  return { run: redis.run, jobs };
}
