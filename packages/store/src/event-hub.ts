/**
 * One subscribed connection for all watchers of a process. Every write to a run's stream publishes an empty
 * hint on the channel of that stream's name; a hint may be lost, so waiters also look every few seconds.
 */
import type { RunId } from "@baton/core";
import { admissionKeys, runKeys, type ShardKeys, shardKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";

const LOOK_ANYWAY_MS = 5_000;

export class EventHub {
  readonly #subscriber: RedisClient;
  readonly #shards: readonly ShardKeys[];
  readonly #waiters = new Map<string, Set<() => void>>();

  /** `subscriber` must be a connection of its own; the hub closes it. */
  constructor(subscriber: RedisClient, shards = 1) {
    this.#subscriber = subscriber;
    this.#shards = Array.from({ length: shards }, (_, shard) => shardKeys(shard));
    subscriber.on("message", (channel: string) => this.#wake(channel));
    // After a reconnect hints may have been lost: everybody looks.
    subscriber.on("ready", () => {
      for (const channel of this.#waiters.keys()) this.#wake(channel);
    });
  }

  /**
   * Subscribes to a run. `wait` resolves at the next hint since the last `wait` (at once, when one came in
   * between), after a few seconds, or when `signal` aborts.
   */
  subscribe(id: RunId): Promise<HintSubscription> {
    return this.#subscribe([runKeys(id).events]);
  }

  /** Subscribes to new pools; waits as for a run. */
  subscribePools(): Promise<HintSubscription> {
    return this.#subscribe(this.#shards.map(({ pools }) => pools));
  }

  /** Subscribes to runs that come to wait for their admission; waits as for a run. */
  subscribeAdmission(): Promise<HintSubscription> {
    return this.#subscribe(this.#shards.map((_, shard) => admissionKeys(shard).admission));
  }

  /** Subscribes to changes that workers must follow at once; waits as for a run. */
  subscribeControl(): Promise<HintSubscription> {
    return this.#subscribe(this.#shards.map(({ control }) => control));
  }

  async #subscribe(channels: readonly string[]): Promise<HintSubscription> {
    const subscription = new HintSubscription(() => this.#leave(channels, subscription.wake));
    const first: string[] = [];
    for (const channel of channels) {
      const waiters = this.#waiters.get(channel) ?? new Set();
      waiters.add(subscription.wake);
      this.#waiters.set(channel, waiters);
      if (waiters.size === 1) first.push(channel);
    }
    if (first.length > 0) await this.#subscriber.subscribe(...first);
    return subscription;
  }

  async close(): Promise<void> {
    for (const channel of this.#waiters.keys()) this.#wake(channel);
    this.#waiters.clear();
    this.#subscriber.disconnect();
  }

  #wake(channel: string): void {
    for (const wake of this.#waiters.get(channel) ?? []) wake();
  }

  async #leave(channels: readonly string[], wake: () => void): Promise<void> {
    const left = channels.filter((channel) => {
      const waiters = this.#waiters.get(channel);
      return waiters?.delete(wake) === true && waiters.size === 0;
    });
    for (const channel of left) this.#waiters.delete(channel);
    if (left.length > 0 && this.#subscriber.status === "ready") await this.#subscriber.unsubscribe(...left);
  }
}

export class HintSubscription {
  readonly #leave: () => Promise<void>;
  #hinted = false;
  #resolve: (() => void) | undefined;

  constructor(leave: () => Promise<void>) {
    this.#leave = leave;
  }

  readonly wake = (): void => {
    this.#hinted = true;
    this.#resolve?.();
  };

  readonly #stopWaiting = (): void => this.#resolve?.();

  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#hinted && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#resolve = resolve;
      const timer = setTimeout(resolve, LOOK_ANYWAY_MS);
      signal.addEventListener("abort", this.#stopWaiting, { once: true });
      await promise;
      clearTimeout(timer);
      signal.removeEventListener("abort", this.#stopWaiting);
      this.#resolve = undefined;
    }
    this.#hinted = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#leave();
  }
}
