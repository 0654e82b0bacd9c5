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
  readonly hub: Pick<EventHub, "subscribeAdmission">;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}

const FOLLOWER_PAUSE_MS = 1_000;
const FAILED_PAUSE_MS = 1_000;

/** Returns when `signal` aborts. Each shard has a loop of its own: one that is away holds up no other. */
export async function keepFeeding(options: FeedingOptions, signal: AbortSignal): Promise<void> {
  await Promise.all(options.feeders.map((feeder, shard) => keepFeedingShard(feeder, shard, options, signal)));
}

/** Waits for each pass before the next one: passes of one feeder never overlap. */
async function keepFeedingShard(
  feeder: Pick<Feeder, "pass">,
  shard: number,
  { leads, hub, now, onError }: FeedingOptions,
  signal: AbortSignal,
): Promise<void> {
  await using subscription = await hub.subscribeAdmission();
  while (!signal.aborted) {
    let pauseMs = FOLLOWER_PAUSE_MS;
    try {
      if (leads(shard)) pauseMs = Math.min(pauseMs, (await feeder.pass(now())).pauseMs);
    } catch (error) {
      onError(error);
      pauseMs = FAILED_PAUSE_MS;
    }
    if (pauseMs > 0) await subscription.wait(AbortSignal.any([signal, AbortSignal.timeout(pauseMs)]));
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
