/**
 * The state of the protocol model: one run, what Redis holds of it, and whoever works on it. Plain data; what
 * may happen to it is in actions.ts, what must hold of it in invariants.ts.
 *
 * What is left out, because the rules of commit and enqueue do not turn on it: what models say, tools, events,
 * capabilities, deadlines, poison, priorities, whose turn it is among batches, and all clocks. Whatever takes time in the product may take any
 * time here: a lock lasts until the explorer ends it, a delayed job may be fetched at any moment (it is then put
 * back), the reconciler's grace may be over at once.
 *
 * Symbols (claim ids, operation ids, items) are numbers that are drawn fresh and only ever compared; keys.ts
 * renames them, so that states that differ in names alone are one state.
 */
import type { RunStatus } from "../../packages/core/src/state.ts";

export type Symbol = number;
/** No claim, no operation, no holder. */
export const NONE: Symbol = 0;

/** An entry of the conversation. Two purchases of the same turn are two items. */
export interface Item {
  readonly id: Symbol;
  readonly kind: "input" | "reply" | "handoff" | "retry";
  /** The place in the log that the item names. */
  readonly seq: number;
  readonly phase: number;
  /** Of a reply: the model that was paid for it, and which turn of its phase it is. */
  readonly pool: number;
  readonly turn: number;
}

/** The record of the run, as the Lua scripts keep it, and its log. */
export interface Run {
  readonly status: RunStatus;
  readonly pool: number;
  /** 0: the run waits for its admission to the queue, or rests before it. */
  readonly ticket: number;
  readonly epoch: number;
  readonly claim: Symbol;
  readonly phase: number;
  /** It has a place in the admission queue of its batch, which the same scripts keep beside the record. */
  readonly place: boolean;
  readonly pausing: boolean;
  /** The run waits for its time. */
  readonly early: boolean;
  readonly log: readonly Item[];
  /** The last operations that took effect, oldest first. */
  readonly operations: readonly Symbol[];
  /** The mark of the last commit. */
  readonly committed: { readonly ticket: number; readonly claim: Symbol } | undefined;
  readonly ghost: Ghost;
}

/** What really happened in the history that survived; scripts write it and never read it. */
export interface Ghost {
  /** The claim that was granted last, until something ended it; and which grant that was. */
  readonly holder: Symbol;
  readonly grants: number;
  readonly committedTicketMax: number;
  /** It needed no admission, or had it. */
  readonly admitted: boolean;
  /** The last word of people was to pause. */
  readonly pauseAsked: boolean;
  /** Operations of people that took effect. */
  readonly done: readonly Symbol[];
}

/** A job of BullMQ. `ready` is every list but active, for their difference is time alone. */
export interface Job extends Entry {
  /** A worker's number: active under that worker's lock. `orphan`: its hash is left, but it is in no list. */
  readonly at: "ready" | "orphan" | number;
}

export interface Entry {
  readonly pool: number;
  readonly ticket: number;
}

/** Everything that is lost alike when Redis loses its last writes. */
export interface Redis {
  readonly run: Run;
  /** Sorted by pool and ticket: the job id is `<run>-<ticket>` in the queue of its pool. */
  readonly jobs: readonly Job[];
}

/** One script call, or one `add`, with the arguments that it was sent with. */
export type Command =
  | { readonly kind: "claim"; readonly pool: number; readonly ticket: number; readonly claim: Symbol }
  | ({ readonly kind: "append"; readonly item: Item } & Fence)
  | ({
      readonly kind: "commit";
      readonly ticket: number;
      readonly outcome: Outcome;
      readonly pool: number;
      readonly items: readonly Item[];
    } & Fence)
  | ({ readonly kind: "requeue"; readonly operation: Symbol; readonly status: RunStatus } & Mark)
  | { readonly kind: "cancel" | "pause" | "resume"; readonly operation: Symbol }
  | { readonly kind: "retry"; readonly operation: Symbol; readonly epoch: number; readonly item: Item }
  | ({ readonly kind: "add" } & Entry)
  /** Admits whatever has a place in the admission; gives back a place that was lost. */
  | { readonly kind: "feed" | "audit" };

/** What people ask of a run. */
export type Ask = Extract<Command, { kind: "cancel" | "pause" | "resume" | "retry" }>;

export type Outcome = "handoff" | "requeue" | "wait" | "succeeded" | "failed";

/** Whether the next job is added behind the commit, before its reply. */
export function goesOn(outcome: Outcome): boolean {
  return outcome === "handoff" || outcome === "requeue";
}

export interface Fence {
  readonly claim: Symbol;
  readonly epoch: number;
  readonly length: number;
  /** Ghost: which grant the claim was, and the last item of the conversation as the writer knows it. */
  readonly grant: number;
  readonly last: Symbol;
}

/** A run as the reconciler saw it. */
export interface Mark extends Entry {
  readonly epoch: number;
  readonly claim: Symbol;
}

export interface Session extends Entry {
  readonly at: "session";
  readonly claim: Symbol;
  readonly epoch: number;
  readonly grant: number;
  readonly phase: number;
  readonly view: readonly Item[];
  /** It heard that the run is to pause. */
  readonly told: boolean;
  /** Being bought, or bought and not yet known to be written. */
  readonly reply: Item;
  /** The append of the reply went out and was not answered. */
  readonly sent: boolean;
}

/** A conversation as a process left it with a commit, to be spared reading it at its next claim. */
export interface Kept {
  readonly ticket: number;
  readonly claim: Symbol;
  readonly items: readonly Item[];
}

/** What one lane of one worker process remembers. `pool` and `ticket` are those of its job. */
export type Worker =
  | { readonly at: "idle" }
  /** `claim`: the id that it will claim with. */
  | ({ readonly at: "fetched"; readonly claim: Symbol } & Entry)
  | Session
  /** The commit and the add behind it are on their way. */
  | ({
      readonly at: "ending";
      readonly commit: Extract<Command, { kind: "commit" }> | undefined;
      readonly add: Entry | undefined;
    } & Entry)
  /** Nothing is left to do but to tell BullMQ that the job is done. */
  | ({ readonly at: "finishing" } & Entry);

export type Reconciler =
  | { readonly at: "idle" }
  | ({ readonly at: "suspecting"; readonly status: RunStatus } & Mark)
  | ({ readonly at: "requeueing"; readonly status: RunStatus; readonly operation: Symbol } & Mark)
  | ({ readonly at: "adding" } & Entry);

/** What one process that feeds remembers. */
export type Feeder = { readonly at: "idle" } | ({ readonly at: "adding" } & Entry);

/** How often each adversity may still happen. */
export interface Budget {
  /** A worker process, an operator or the reconciler dies at once. */
  readonly crash: number;
  /** A worker's lock ends while it works on. */
  readonly stall: number;
  /** A command takes effect, but its sender hears nothing and sends it again. */
  readonly unanswered: number;
  /** A command is answered, and delivered once more at any later time: what was left of a broken connection. */
  readonly late: number;
  /** The same of a claim: it alone makes a fence. */
  readonly lateClaim: number;
  /** A flushed script cache lets the add overtake the commit that it was pipelined behind. */
  readonly flush: number;
  /** A model call fails: for now, or for good. */
  readonly backoff: number;
  readonly refusal: number;
  readonly cancel: number;
  readonly pause: number;
  readonly retry: number;
  /** Redis loses its last writes. */
  readonly loss: number;
  /** A job vanishes from every list but leaves its hash, or a run's place in its admission vanishes. */
  readonly orphan: number;
}

export const NO_ADVERSITY: Budget = {
  crash: 0,
  stall: 0,
  unanswered: 0,
  late: 0,
  lateClaim: 0,
  flush: 0,
  backoff: 0,
  refusal: 0,
  cancel: 0,
  pause: 0,
  retry: 0,
  loss: 0,
  orphan: 0,
};

export interface State {
  readonly redis: Redis;
  readonly workers: readonly Worker[];
  /** What the process of each worker keeps, and loses when it dies. */
  readonly kept: readonly (Kept | undefined)[];
  readonly reconcilers: readonly Reconciler[];
  readonly feeders: readonly Feeder[];
  /** Adds that a producer or an operator sends next. */
  readonly adds: readonly Entry[];
  /** What people send next: a retry that has read the run, and what they were not answered. */
  readonly asks: readonly Ask[];
  /** Second deliveries under way. */
  readonly copies: readonly Command[];
  /** What Redis would go back to, and how many writes ago that was. */
  readonly saved: { readonly redis: Redis; readonly writes: number } | undefined;
  readonly left: Budget;
  /** Ghost: replies that were bought and thrown away. */
  readonly wasted: number;
  /** Ghost: second deliveries of a claim that took the run from its holder. */
  readonly usurped: number;
  /** The next symbol. */
  readonly fresh: Symbol;
}

/** A small world: its size and what may go wrong in it. */
export interface Scenario {
  readonly name: string;
  /** Turns of each phase; phase `n` runs on pool `n`. */
  readonly turns: readonly number[];
  readonly workers: number;
  readonly reconcilers: number;
  /** With none, the run needs no admission. */
  readonly feeders: number;
  /** The run is created to start later. */
  readonly startsLater: boolean;
  /** Whether processes keep the conversations that they commit. */
  readonly keeps: boolean;
  readonly budget: Budget;
  /** Redis loses at most so many writes. */
  readonly lostWritesMax: number;
  /** A phase at work is over before a reconciler, which takes a lock's duration for it, looks a second time. */
  readonly quickCalls: boolean;
}

const INPUT: Symbol = 1;

/** A run that was just created: its producer has not yet added the first job, or it waits for its admission. */
export function initialState(scenario: Scenario): State {
  const waits = scenario.feeders > 0;
  const ticket = waits ? 0 : 1;
  const input: Item = { id: INPUT, kind: "input", seq: 0, phase: 0, pool: 0, turn: 0 };
  const run: Run = {
    status: "queued",
    pool: 0,
    ticket,
    epoch: 1,
    claim: NONE,
    phase: 0,
    place: waits,
    pausing: false,
    early: scenario.startsLater,
    log: [input],
    operations: [],
    committed: undefined,
    ghost: { holder: NONE, grants: 0, pauseAsked: false, committedTicketMax: -1, admitted: !waits, done: [] },
  };
  return {
    redis: { run, jobs: [] },
    workers: Array.from({ length: scenario.workers }, () => ({ at: "idle" })),
    kept: Array.from({ length: scenario.workers }, () => undefined),
    reconcilers: Array.from({ length: scenario.reconcilers }, () => ({ at: "idle" })),
    feeders: Array.from({ length: scenario.feeders }, () => ({ at: "idle" })),
    adds: waits ? [] : [{ pool: 0, ticket }],
    asks: [],
    copies: [],
    saved: undefined,
    left: scenario.budget,
    wasted: 0,
    usurped: 0,
    fresh: INPUT + 1,
  };
}
