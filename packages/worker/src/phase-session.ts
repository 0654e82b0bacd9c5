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
import {
  addCosts,
  type BatchState,
  type Claimed,
  type Ledger,
  type Outcome,
  type PricedUsage,
  type QueueEntry,
  type Tries,
  type WrittenTurn,
} from "@baton/store";
import type { HeldClaim } from "./claim-keeper.ts";
import type { EventWriter } from "./event-writer.ts";
import { handoffsOf, sinceFork } from "./phase-view.ts";
import type { PhaseSignals } from "./signals.ts";

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

const NO_TRIES: Tries = { failures: 0, rateLimits: 0 };

export class PhaseSession {
  readonly held: HeldClaim;
  readonly spec: RunSpec;
  readonly phase: number;
  /** Those that a model, a policy or the pipeline made; where one stepped in for another is not among them. */
  readonly handoffs: number;
  /** Milliseconds that the phase had been at work when it was claimed. */
  readonly workedMs: number;
  readonly signals: PhaseSignals;
  readonly #deps: SessionDeps;
  readonly #priority: number;
  #tries: Tries;
  #items: readonly Item[];
  #phaseUsage: PricedUsage;
  #turns: number;
  #batch: BatchState | undefined;
  readonly #namespace: string | undefined;
  /** Text or reasoning was shown that no written reply has. */
  #hasShown = false;
  #writing: Promise<unknown> = Promise.resolve();
  #lost = false;
  #outcome: Outcome | undefined;

  constructor(claimed: Claimed, held: HeldClaim, deps: SessionDeps, signals: PhaseSignals) {
    this.held = held;
    this.signals = signals;
    this.spec = claimed.spec;
    this.phase = claimed.phase;
    this.#tries = claimed.tries;
    this.workedMs = claimed.workedMs;
    // A handoff ends the session, so their number stands.
    this.handoffs = claimed.handoffs - fallbacksIn(claimed.items);
    this.#batch = claimed.batch;
    this.#namespace = claimed.namespace;
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

  /** Calls that failed in a row: what is written ends the row, in the record as well. */
  get tries(): Tries {
    return this.#tries;
  }

  get batch(): BatchState | undefined {
    return this.#batch;
  }

  /** What was committed, once it was. */
  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  /** Shows an event to watchers at the next tick; never the truth. */
  show(event: EventBody): void {
    if (this.#lost) return;
    if (event.type === "text" || event.type === "reasoning") this.#hasShown = true;
    this.#deps.events.push(this.held.claim, this.#stamp(event));
  }

  /** Writes items before anything acts on them (R5). A model reply is given with what it took. */
  async write(
    items: readonly NewItem[],
    events: readonly EventBody[],
    reply?: ReplyCost,
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
      this.#tries = NO_TRIES;
      if (turn !== undefined) {
        this.#phaseUsage = turn.phaseUsage;
        this.#turns += 1;
        this.#hasShown = false;
      }
      if (result.batch !== undefined) this.#batch = result.batch;
      this.held.pausing = result.pausing;
      return "written";
    });
  }

  /**
   * Ends the claim: last items and outcome in one commit, and the next entry's job right behind it. A reply that
   * ends the phase comes first among the items, with what it took: it is written and acted on at once. Without one,
   * what was shown of a reply is withdrawn.
   */
  async end(
    outcome: Outcome,
    items: readonly NewItem[],
    events: readonly EventBody[],
    reply?: ReplyCost,
  ): Promise<EndResult> {
    return this.#inOrder(async () => {
      if (this.#lost) return { kind: "lost" };
      const { claim } = this.held;
      const withdrawn: EventBody[] =
        this.#hasShown && reply === undefined ? [{ type: "withdrawn", model: claim.pool }] : [];
      const committing = this.#deps.ledger.commit(
        claim,
        {
          length: this.#items.length,
          items: this.#place(items),
          turn: this.#turnOf(reply),
          outcome,
          events: this.#withPending([...withdrawn, ...events]),
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
      this.#outcome = outcome;
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

  #turnOf(reply: ReplyCost | undefined): WrittenTurn | undefined {
    if (reply === undefined) return undefined;
    const { usage, costUsd } = reply;
    const phaseUsage = {
      ...addUsage(this.#phaseUsage, usage),
      costUsd: addCosts(this.#phaseUsage.costUsd, costUsd),
    };
    const [batch, namespace] = [this.#batch?.id, this.#namespace];
    if (batch === undefined && namespace === undefined) return { phaseUsage };
    const tokens = usage.inputTokens + usage.outputTokens;
    return { phaseUsage, spend: { batch, namespace, tokens, costUsd } };
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
    this.signals.fenced();
    this.held.abort("fenced");
    return "lost";
  }

  #inOrder<T>(write: () => Promise<T>): Promise<T> {
    const done = this.#writing.then(write);
    this.#writing = done.catch(() => undefined);
    return done;
  }
}

function fallbacksIn(items: readonly Item[]): number {
  return handoffsOf(sinceFork(items)).filter((handoff) => handoff.by === "fallback").length;
}

/** What a model reply took. */
export interface ReplyCost {
  readonly usage: Usage;
  /** Null when the price is not known. */
  readonly costUsd: number | null;
}

type WithoutStamp<Event> = Event extends RunEvent ? Omit<Event, "epoch" | "phase"> : never;
/** An event before its epoch and phase are put on. */
export type EventBody = WithoutStamp<RunEvent>;
