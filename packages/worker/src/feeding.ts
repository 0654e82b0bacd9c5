/**
 * Feeds the queues of the pools from the batches, in the process that leads: after each pass it waits as long as the
 * feeder says, or until something happens that it should look at at once.
 */
import type { ModelId } from "@baton/core";
import { type EventHub, type Feeder, type LiveWorker, liveConcurrencyOf } from "@baton/store";

export interface FeedingOptions {
  /** One a shard. */
  readonly feeders: readonly Pick<Feeder, "pass">[];
  /** Whether this process leads for the shard now. */
  readonly leads: (shard: number) => boolean;
  readonly hub: Pick<EventHub, "subscribeControl">;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}

const FOLLOWER_PAUSE_MS = 1_000;
const FAILED_PAUSE_MS = 1_000;

/** Returns when `signal` aborts. */
export async function keepFeeding(options: FeedingOptions, signal: AbortSignal): Promise<void> {
  await using subscription = await options.hub.subscribeControl();
  while (!signal.aborted) {
    const pauseMs = await feedOnce(options);
    if (pauseMs > 0) await subscription.wait(AbortSignal.any([signal, AbortSignal.timeout(pauseMs)]));
  }
}

async function feedOnce({ feeders, leads, now, onError }: FeedingOptions): Promise<number> {
  try {
    const led = feeders.filter((_, shard) => leads(shard));
    const reports = await Promise.all(led.map((feeder) => feeder.pass(now())));
    return Math.min(FOLLOWER_PAUSE_MS, ...reports.map((report) => report.pauseMs));
  } catch (error) {
    onError(error);
    return FAILED_PAUSE_MS;
  }
}

const PLACES_KEPT_MS = 1_000;

/** The places that live workers have for a pool, read again once a second. */
export function livePlaces(
  list: () => Promise<readonly LiveWorker[]>,
  now: () => number,
): (pool: ModelId) => Promise<number> {
  let readAt = Number.NEGATIVE_INFINITY;
  let workers: Promise<readonly LiveWorker[]> = Promise.resolve([]);
  return async (pool) => {
    if (now() - readAt >= PLACES_KEPT_MS) {
      readAt = now();
      workers = list();
      // What failed is asked for again; whoever waits for it hears of the failure.
      workers.catch(() => {
        readAt = Number.NEGATIVE_INFINITY;
      });
    }
    return liveConcurrencyOf(pool, await workers);
  };
}
