/** Watchers of runs, and what a worker tells them, for tests. */
import { NO_USAGE, type RunEvent, type RunId, type StampedEvent } from "@baton/core";
import type { Claimed } from "../claim-run.ts";
import { EventHub } from "../event-hub.ts";
import type { Ledger } from "../ledger.ts";
import type { RedisClient } from "../redis-client.ts";
import { watchRun } from "../watch-run.ts";

/** A watcher that stands forever fails its test with a `TimeoutError`. */
const WATCH_MS_MAX = 15_000;

export interface Watchers extends AsyncDisposable {
  readonly hub: EventHub;
  watch(id: RunId, after?: string, signal?: AbortSignal): AsyncGenerator<StampedEvent, void, void>;
  /** All events until the watch ends by itself. */
  all(id: RunId, after?: string): Promise<StampedEvent[]>;
}

export function openWatchers(ledger: Ledger, subscriber: RedisClient): Watchers {
  const hub = new EventHub(subscriber);
  const watch: Watchers["watch"] = async function* (id, after, signal) {
    const patience = AbortSignal.timeout(WATCH_MS_MAX);
    const both = signal === undefined ? patience : AbortSignal.any([signal, patience]);
    yield* watchRun(ledger, hub, id, { after }, both);
    patience.throwIfAborted();
  };
  return {
    hub,
    watch,
    all: (id, after) => Array.fromAsync(watch(id, after)),
    [Symbol.asyncDispose]: () => hub.close(),
  };
}

/** The next `count` events of a watch that goes on. */
export async function take(
  watch: AsyncGenerator<StampedEvent, void, void>,
  count: number,
): Promise<StampedEvent[]> {
  const events: StampedEvent[] = [];
  while (events.length < count) {
    const next = await watch.next();
    if (next.done === true) throw new Error(`the watch ended after ${events.length} of ${count} events`);
    events.push(next.value);
  }
  return events;
}

/** The events that a worker tells of a claim, stamped with its epoch and phase. */
export function eventsBy({ claim, phase }: Claimed) {
  const at = { epoch: claim.epoch, phase };
  return {
    phase: (attempt = 1, takeover = false): RunEvent => ({
      type: "phase",
      ...at,
      model: claim.pool,
      attempt,
      takeover,
    }),
    text: (text: string): RunEvent => ({ type: "text", ...at, text }),
    notice: (message: string): RunEvent => ({ type: "notice", ...at, code: "note", message }),
    turn: (item: number): RunEvent => ({
      type: "turn",
      ...at,
      model: claim.pool,
      item,
      stopReason: "end",
      usage: NO_USAGE,
    }),
  };
}

export function publish(ledger: Ledger, { claim }: Claimed, ...events: readonly RunEvent[]): Promise<void> {
  return ledger.publish([{ claim, events }]);
}
