/** One step of the model, and what the network and Redis may make of any step: second deliveries, lost writes. */
import type { Budget, Command, Entry, Scenario, State } from "./model.ts";
import type { Rules } from "./rules.ts";
import { execute, type Reply } from "./scripts.ts";
import { settle, settles } from "./settle.ts";

export interface Step {
  readonly label: string;
  /** `repair`: what brings an entry back without anybody working; `adverse`: nothing may depend on it. */
  readonly kind: "work" | "repair" | "adverse";
  readonly next: State;
  /** What was executed, if anything was. */
  readonly sent: { readonly command: Command; readonly reply: Reply } | undefined;
}

/** A scenario, and the rules that are kept in it. */
export interface World extends Scenario {
  readonly rules: Rules;
  /** Whether core's state machine is to agree: not when a rule is off. */
  readonly holdsToCore: boolean;
  /** Takes out what can do nothing any more; see settle.ts. */
  readonly settles: boolean;
}

/** Collects the steps from one state. */
export interface Sink {
  readonly steps: readonly Step[];
  readonly state: State;
  readonly world: World;
  /** A step that sends no command; what it does to the jobs is in `changes`. */
  move(kind: Step["kind"], label: string, changes: Partial<State>): void;
  /** Sends a command, and goes on from its reply; unanswered, from `unheard`, to send it again. */
  send(
    kind: Step["kind"],
    label: string,
    command: Command,
    then: (reply: Reply) => Partial<State>,
    unheard?: Partial<State>,
  ): void;
  /** The second delivery of a command, whose reply nobody reads. */
  deliverCopy(index: number): void;
}

export function createSink(state: State, world: World): Sink {
  const steps: Step[] = [];

  const isSettled = world.settles && settles(world.rules, world.budget.loss);

  function push(taken: Step): void {
    const step = isSettled ? { ...taken, next: settle(taken.next, world.turns) } : taken;
    const { next } = step;
    const isLoss = next.left.loss < state.left.loss;
    if (next.left.loss === 0 || next.redis === state.redis || isLoss) {
      steps.push(step);
      return;
    }
    const { saved } = next;
    if (saved !== undefined) {
      // Writes that are older than the bound have reached the disk.
      const writes = saved.writes + 1;
      const still = writes > world.lostWritesMax ? undefined : { redis: saved.redis, writes };
      steps.push({ ...step, next: { ...next, saved: still } });
      return;
    }
    steps.push(step);
    steps.push({
      ...step,
      kind: "adverse",
      label: `${step.label} (not yet on disk)`,
      next: { ...next, saved: { redis: state.redis, writes: 1 } },
    });
  }

  return {
    steps,
    state,
    world,
    move(kind, label, changes) {
      push({ kind, label, next: { ...state, ...changes }, sent: undefined });
    },
    send(kind, label, command, then, unheard = {}) {
      const reply = execute(command, state.redis, world.rules);
      const next: State = { ...state, redis: reply.redis, ...then(reply) };
      const told = `${label}: ${reply.tag}`;
      const sent = { command, reply };
      push({ kind, label: told, next, sent });
      // What had no effect may as well not have been sent.
      if (reply.redis === state.redis) return;
      if (next.left.unanswered > 0) {
        const heard: State = { ...state, redis: reply.redis, ...unheard };
        const lost = { ...heard, left: { ...heard.left, unanswered: heard.left.unanswered - 1 } };
        push({ kind: "adverse", label: `${told}, unanswered`, next: lost, sent });
      }
      const which = command.kind === "claim" ? "lateClaim" : "late";
      if (next.left[which] === 0) return;
      const doubled = { ...next, ...spend(next, which), copies: [...next.copies, command] };
      push({ kind: "adverse", label: `${told}; a second one is under way`, next: doubled, sent });
    },
    deliverCopy(index) {
      const command = state.copies[index];
      if (command === undefined) return;
      const copies = state.copies.filter((_, other) => other !== index);
      const reply = execute(command, state.redis, world.rules);
      const usurped = state.usurped + (reply.tag === "claimed" && reply.redis !== state.redis ? 1 : 0);
      const next = { ...state, redis: reply.redis, copies, usurped };
      const label = `the second ${command.kind} arrives: ${reply.tag}`;
      push({ kind: "adverse", label, next, sent: { command, reply } });
    },
  };
}

export function spend(state: State, what: keyof Budget): Pick<State, "left"> {
  return { left: { ...state.left, [what]: state.left[what] - 1 } };
}

export function nameOf({ pool, ticket }: Entry): string {
  return `job ${poolName(pool)}-${ticket}`;
}

export function poolName(pool: number): string {
  return String.fromCharCode(97 + pool);
}
