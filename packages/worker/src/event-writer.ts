/**
 * Events that are only for watchers, of all runs of this process, written in one script call a tick. The tick
 * grows with the number of runs that stream, so that many streams do not cost more calls. What is pending for a
 * run goes out before its next ledger write, so that a reply's text never follows the reply.
 */
import type { RunEvent } from "@baton/core";
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
  readonly #ledger: Pick<Ledger, "publish">;
  readonly #onError: (error: unknown) => void;
  readonly #pending = new Map<string, Pending>();
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> = Promise.resolve();

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

  /** Takes what is pending for a claim, to be written along with the ledger write that follows it. */
  take(claim: Claim): readonly RunEvent[] {
    const pending = this.#pending.get(claim.claimId);
    this.#pending.delete(claim.claimId);
    return pending?.events ?? [];
  }

  /** Writes all that is pending and waits for it. */
  async close(): Promise<void> {
    this.#flush();
    await this.#flushing;
  }

  #schedule(): void {
    if (this.#timer !== undefined) return;
    const tick = Math.min(TICK_MS_MAX, TICK_MS_MIN + this.#pending.size / STREAMS_PER_MS);
    this.#timer = setTimeout(() => this.#flush(), tick);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const events: ClaimEvents[] = [...this.#pending.values()];
    this.#pending.clear();
    // One call after the other: the order of a run's events is the order of its deltas.
    this.#flushing = this.#flushing.then(() => this.#write(events));
  }

  async #write(events: readonly ClaimEvents[]): Promise<void> {
    try {
      for (let from = 0; from < events.length; from += RUNS_A_CALL) {
        await this.#ledger.publish(events.slice(from, from + RUNS_A_CALL));
      }
    } catch (error) {
      this.#onError(error);
    }
  }
}

function isDelta(event: RunEvent): event is DeltaEvent {
  return event.type === "text" || event.type === "reasoning";
}
