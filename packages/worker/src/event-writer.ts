/**
 * Events that are only for watchers, of all runs of this process, written in one script call a tick. The tick
 * grows with the number of runs that stream, so that many streams do not cost more calls. What is pending for a
 * run goes out before its next ledger write, so that a reply's text never follows the reply.
 * Each shard has its own calls: while one is away, the events of the others go on.
 */
import { type RunEvent, shardOf } from "@baton/core";
import type { Claim, ClaimEvents, Ledger } from "@baton/store";

const TICK_MS_MIN = 50;
const TICK_MS_MAX = 1_000;
/** Streams for each of which the tick grows by a millisecond. */
const STREAMS_PER_MS = 2;
const PENDING_CHARS_MAX = 64_000;
const RUNS_A_CALL = 500;

type DeltaEvent = Extract<RunEvent, { type: "text" | "reasoning" }>;

interface Pending {
  readonly claim: Claim;
  readonly events: RunEvent[];
  chars: number;
}

export class EventWriter {
  readonly #shards = new Map<number, ShardEvents>();
  readonly #open: () => ShardEvents;

  constructor(ledger: Pick<Ledger, "publish">, onError: (error: unknown) => void) {
    this.#open = () => new ShardEvents(ledger, onError);
  }

  push(claim: Claim, event: RunEvent): void {
    this.#of(claim).push(claim, event);
  }

  /** Takes what is pending for a claim, to be written along with the ledger write that follows it. */
  take(claim: Claim): readonly RunEvent[] {
    return this.#of(claim).take(claim);
  }

  /** Writes all that is pending and waits for it. */
  async close(): Promise<void> {
    await Promise.all([...this.#shards.values()].map((shard) => shard.close()));
  }

  #of({ runId }: Claim): ShardEvents {
    const shard = shardOf(runId);
    const events = this.#shards.get(shard) ?? this.#open();
    this.#shards.set(shard, events);
    return events;
  }
}

class ShardEvents {
  readonly #ledger: Pick<Ledger, "publish">;
  readonly #onError: (error: unknown) => void;
  readonly #pending = new Map<string, Pending>();
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #isWriting = false;

  constructor(ledger: Pick<Ledger, "publish">, onError: (error: unknown) => void) {
    this.#ledger = ledger;
    this.#onError = onError;
  }

  push(claim: Claim, event: RunEvent): void {
    const key = claim.claimId;
    const pending = this.#pending.get(key) ?? { claim, events: [], chars: 0 };
    this.#pending.set(key, pending);
    const last = pending.events.at(-1);
    if (isDelta(event) && last?.type === event.type) {
      // Deltas that follow one another are one event.
      pending.events[pending.events.length - 1] = { ...last, text: last.text + event.text };
    } else {
      pending.events.push(event);
    }
    pending.chars += isDelta(event) ? event.text.length : 200;
    if (pending.chars > PENDING_CHARS_MAX) this.#flush();
    else this.#schedule();
  }

  take(claim: Claim): readonly RunEvent[] {
    const pending = this.#pending.get(claim.claimId);
    this.#pending.delete(claim.claimId);
    return pending?.events ?? [];
  }

  async close(): Promise<void> {
    await this.#flushing;
    this.#flush();
    await this.#flushing;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#timer !== undefined) return;
    const tick = Math.min(TICK_MS_MAX, TICK_MS_MIN + this.#pending.size / STREAMS_PER_MS);
    this.#timer = setTimeout(() => this.#flush(), tick);
  }

  /** One call after the other: the order of a run's events is the order of its deltas. */
  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#isWriting) this.#flushing = this.#writePending();
  }

  /**
   * What waits for an earlier call stays pending, so that `take` still finds it: were it already on its way, it
   * would come behind the reply that it is a part of.
   */
  async #writePending(): Promise<void> {
    this.#isWriting = true;
    try {
      for (let runs = this.#pending.size; runs > 0; runs -= RUNS_A_CALL) {
        const some: ClaimEvents[] = [...this.#pending.values().take(Math.min(runs, RUNS_A_CALL))];
        for (const { claim } of some) this.#pending.delete(claim.claimId);
        await this.#ledger.publish(some);
      }
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#isWriting = false;
    }
    if (this.#pending.size > 0) this.#schedule();
  }
}

function isDelta(event: RunEvent): event is DeltaEvent {
  return event.type === "text" || event.type === "reasoning";
}
