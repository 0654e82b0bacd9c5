/**
 * One claim of one phase at work: the conversation as this worker knows it, and the only way by which it writes.
 * R3: each write names the length that it continues, so writes go one after another. R2: once a write is refused
 * the session is lost, and whoever works on it stops.
 */
import {
  addUsage,
  type IdSource,
  ITEM_VERSION,
  type Item,
  type NewItem,
  type RunEvent,
  type RunSpec,
  type Usage,
} from "@baton/core";
import type { Claimed, Ledger, Outcome, QueueEntry, WrittenTurn } from "@baton/store";
import type { HeldClaim } from "./claim-keeper.ts";
import type { EventWriter } from "./event-writer.ts";

export type WriteResult = "written" | "lost";

export type EndResult =
  | { readonly kind: "ended"; readonly entry: QueueEntry | undefined }
  | { readonly kind: "lost" };

/**
 * Enqueues the entry that a commit makes; called in the same tick as the commit, right behind it. It does not reject:
 * what a queue does not take is no failure of the commit, and the reconciler adds it.
 */
export type EnqueueNext = (
  entry: QueueEntry,
  options: { delayMs: number; priority: number },
) => Promise<void>;

export interface SessionDeps {
  readonly ledger: Pick<Ledger, "append" | "commit">;
  readonly events: EventWriter;
  readonly ids: IdSource;
  readonly enqueue: EnqueueNext;
}

export class PhaseSession {
  readonly held: HeldClaim;
  readonly spec: RunSpec;
  readonly phase: number;
  readonly handoffs: number;
  readonly tries: number;
  readonly #deps: SessionDeps;
  readonly #priority: number;
  #items: readonly Item[];
  #phaseUsage: Usage;
  #turns: number;
  #writing: Promise<unknown> = Promise.resolve();
  #lost = false;

  constructor(claimed: Claimed, held: HeldClaim, deps: SessionDeps) {
    this.held = held;
    this.spec = claimed.spec;
    this.phase = claimed.phase;
    this.handoffs = claimed.handoffs;
    this.tries = claimed.tries;
    this.#deps = deps;
    this.#priority = claimed.priority;
    this.#items = claimed.items;
    this.#phaseUsage = claimed.phaseUsage;
    this.#turns = claimed.turns;
    const { pool: model } = held.claim;
    this.show({ type: "phase", model, attempt: claimed.attempt, takeover: claimed.takeover });
  }

  get items(): readonly Item[] {
    return this.#items;
  }

  /** Model calls written in the whole run. */
  get turns(): number {
    return this.#turns;
  }

  /** Shows an event to watchers at the next tick; never the truth. */
  show(event: EventBody): void {
    if (!this.#lost) this.#deps.events.push(this.held.claim, this.#stamp(event));
  }

  /** Writes items before anything acts on them (R5). A model reply is given with its usage. */
  async write(
    items: readonly NewItem[],
    events: readonly EventBody[],
    reply?: { usage: Usage },
  ): Promise<WriteResult> {
    return this.#inOrder(async () => {
      if (this.#lost) return "lost";
      const turn = this.#turnOf(reply);
      const placed = this.#place(items);
      const result = await this.#deps.ledger.append(this.held.claim, {
        length: this.#items.length,
        items: placed,
        turn,
        events: this.#withPending(events),
      });
      if (result.kind === "fenced") return this.#lose();
      this.#items = [...this.#items, ...placed];
      if (turn !== undefined) {
        this.#phaseUsage = turn.phaseUsage;
        this.#turns += 1;
      }
      this.held.pausing = result.pausing;
      return "written";
    });
  }

  /**
   * Ends the claim: last items and outcome in one commit, and the next entry's job right behind it. A reply that
   * ends the phase comes first among the items, with its usage: it is written and acted on at once.
   */
  async end(
    outcome: Outcome,
    items: readonly NewItem[],
    events: readonly EventBody[],
    reply?: { usage: Usage },
  ): Promise<EndResult> {
    return this.#inOrder(async () => {
      if (this.#lost) return { kind: "lost" };
      const { claim } = this.held;
      const committing = this.#deps.ledger.commit(
        claim,
        {
          length: this.#items.length,
          items: this.#place(items),
          turn: this.#turnOf(reply),
          outcome,
          events: this.#withPending(events),
        },
        this.#items,
      );
      // Not a condition and not an order: claim judges whatever lands (see ARCHITECTURE, commit and enqueue).
      const next = this.#nextEntry(outcome);
      const adding = next === undefined ? undefined : this.#deps.enqueue(next.entry, next.options);
      const [result] = await Promise.all([committing, adding]);
      if (result.kind === "fenced") {
        this.#lose();
        return { kind: "lost" };
      }
      this.#lost = true;
      // A pause that was taken back while its commit was under way: the run goes on, under an entry of its own.
      if (next === undefined && result.entry !== undefined) {
        await this.#deps.enqueue(result.entry, { delayMs: 0, priority: this.#priority });
      }
      return { kind: "ended", entry: result.entry };
    });
  }

  /** The conversation as it would be with `items`; nothing is written. */
  with(items: readonly NewItem[]): readonly Item[] {
    return [...this.#items, ...this.#place(items)];
  }

  #turnOf(reply: { usage: Usage } | undefined): WrittenTurn | undefined {
    return reply === undefined ? undefined : { phaseUsage: addUsage(this.#phaseUsage, reply.usage) };
  }

  #nextEntry(outcome: Outcome) {
    if (outcome.kind !== "handoff" && outcome.kind !== "requeue") return undefined;
    const { runId, ticket, pool } = this.held.claim;
    const entry = { runId, ticket: ticket + 1, pool: outcome.kind === "handoff" ? outcome.pool : pool };
    const delayMs = outcome.kind === "requeue" ? outcome.delayMs : 0;
    return { entry, options: { delayMs, priority: this.#priority } };
  }

  #place(items: readonly NewItem[]): readonly Item[] {
    const { epoch } = this.held.claim;
    const at = this.#deps.ids.now();
    const from = this.#items.length;
    return items.map((item, index) => ({
      v: ITEM_VERSION,
      seq: from + index,
      phase: this.phase,
      epoch,
      at,
      ...item,
    }));
  }

  #withPending(events: readonly EventBody[]): readonly RunEvent[] {
    return [...this.#deps.events.take(this.held.claim), ...events.map((event) => this.#stamp(event))];
  }

  #stamp(event: EventBody): RunEvent {
    return { ...event, epoch: this.held.claim.epoch, phase: this.phase };
  }

  #lose(): "lost" {
    this.#lost = true;
    this.held.abort("fenced");
    return "lost";
  }

  #inOrder<T>(write: () => Promise<T>): Promise<T> {
    const done = this.#writing.then(write);
    this.#writing = done.catch(() => undefined);
    return done;
  }
}

type WithoutStamp<Event> = Event extends RunEvent ? Omit<Event, "epoch" | "phase"> : never;
/** An event before its epoch and phase are put on. */
export type EventBody = WithoutStamp<RunEvent>;
