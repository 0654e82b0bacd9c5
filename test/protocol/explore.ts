/**
 * Explores every state of a world, breadth first, so that the trace to whatever is found is a shortest one.
 * A step that breaks an invariant is noted and not followed: what comes after it proves nothing.
 *
 * R4 and "every run can still end" are read off the finished graph, backwards: from the good states along steps
 * that nobody has to be unlucky for. On a finite graph, that each state can reach the good ones by such steps is
 * the same as that it will, when no such step is put off for ever.
 */
import { isTerminal } from "../../packages/core/src/state.ts";
import { hasNoEntry, isAtWork, stepsFrom } from "./actions.ts";
import { type Goodness, Graph, NOWHERE } from "./graph.ts";
import { broken, type Invariant } from "./invariants.ts";
import { keyOf } from "./keys.ts";
import { initialState, type State } from "./model.ts";
import type { Step, World } from "./step.ts";

export interface Exploration {
  readonly states: number;
  /** A shortest trace to each invariant that breaks. */
  readonly broken: ReadonlyMap<Invariant, Counterexample>;
}

/** `labels[n]` leads from `states[n]` to `states[n + 1]`. */
export interface Counterexample {
  readonly labels: readonly string[];
  readonly states: readonly State[];
}

const STATES_MAX = 1_000_000;

export function explore(world: World): Exploration {
  const graph = new Graph();
  const found = new Map<Invariant, { readonly from: number; readonly step: Step }>();
  const first = initialState(world);
  const queue: (State | undefined)[] = [first];
  graph.add(keyOf(first), NOWHERE);
  graph.mark(goodnessOf(first, world));
  for (let at = 0; at < queue.length; at += 1) {
    const state = queue[at];
    if (state === undefined) throw new Error(`state ${at} was let go before its turn`);
    // A state that was expanded is found again by its trace; keeping all would fill the memory.
    queue[at] = undefined;
    for (const step of stepsFrom(state, world)) {
      const breaks = broken(state, step, world);
      for (const invariant of breaks) if (!found.has(invariant)) found.set(invariant, { from: at, step });
      // That a command is not safe to send twice harms nobody until somebody does.
      if (breaks.some((invariant) => invariant !== "R1")) {
        graph.forgive(at);
        continue;
      }
      const { place, isNew } = graph.add(keyOf(step.next), at);
      graph.connect(at, place, step.kind);
      if (!isNew) continue;
      if (place >= STATES_MAX) throw new Error(`${world.name} has more than ${STATES_MAX} states`);
      graph.mark(goodnessOf(step.next, world));
      queue.push(step.next);
    }
  }
  return { states: graph.size, broken: tracesOf(graph, found, world) };
}

function goodnessOf(state: State, { quickCalls }: World): Goodness {
  const { redis, workers, reconcilers, feeders, adds, asks } = state;
  const isQuiet =
    adds.length === 0 &&
    asks.length === 0 &&
    workers.every((worker) => worker.at === "idle") &&
    reconcilers.every((one) => one.at === "idle") &&
    feeders.every((one) => one.at === "idle") &&
    redis.jobs.every((job) => job.at === "orphan");
  // Whom the reconciler waits for will commit.
  const isWaitedFor = quickCalls && isAtWork(state, redis.run.claim);
  return { hasEntry: isWaitedFor || !hasNoEntry(redis), isOver: isQuiet && isTerminal(redis.run.status) };
}

function tracesOf(
  graph: Graph,
  found: ReadonlyMap<Invariant, { readonly from: number; readonly step: Step }>,
  world: World,
): ReadonlyMap<Invariant, Counterexample> {
  const traces = new Map<Invariant, Counterexample>();
  for (const [invariant, { from, step }] of found) {
    const { labels, states } = traceTo(graph, from, world);
    traces.set(invariant, { labels: [...labels, step.label], states: [...states, step.next] });
  }
  const cutOff = { R4: graph.firstWithoutEntry(), end: graph.firstWithoutEnd() };
  if (cutOff.R4 !== undefined) traces.set("R4", traceTo(graph, cutOff.R4, world));
  if (cutOff.end !== undefined) traces.set("end", traceTo(graph, cutOff.end, world));
  return traces;
}

/** Takes the way to a place once more, step by step. */
function traceTo(graph: Graph, place: number, world: World): Counterexample {
  let state = initialState(world);
  const labels: string[] = [];
  const states = [state];
  for (const next of graph.pathTo(place).slice(1)) {
    const step = stepsFrom(state, world).find((one) => graph.placeOf(keyOf(one.next)) === next);
    if (step === undefined) throw new Error(`there is no step to state ${next}`);
    labels.push(step.label);
    states.push(step.next);
    state = step.next;
  }
  return { labels, states };
}
