/**
 * One subscribed connection for all watchers of a process. Every write to a run's stream publishes an empty
 * hint on the channel of that stream's name; a hint may be lost, so waiters also look every few seconds.
 */
import { abortable, type RunId, type StampedEvent } from "@baton/core";
import { admissionKeys, apiKeysKey, runKeys, type ShardKeys, shardKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import { SharedAnswers } from "./shared-answers.ts";

const LOOK_ANYWAY_MS = 5_000;

/** Those who wait for hints on one channel. */
interface Channel {
  readonly waiters: Set<() => void>;
  /** Resolves when Redis has taken the subscription: what is written behind that is hinted at. */
  readonly subscribed: Promise<unknown>;
  /** Changes with every hint, and is never the same again. */
  mark: number;
}

/** A part of a run's stream. */
export interface Reading {
  readonly events: readonly StampedEvent[];
  /** Where to go on: behind the last entry, or where it was read from when there is none. */
  readonly last: string;
  /** There may be more already. */
  readonly full: boolean;
}

export class EventHub {
  readonly #subscriber: RedisClient;
  readonly #shards: readonly ShardKeys[];
  readonly #channels = new Map<string, Channel>();
  /** Left while Redis was away: the client subscribes to them again by itself. */
  readonly #left = new Set<string>();
  #marks = 0;
  /** What watchers of the same run read at the same moment. */
  readonly readings = new SharedAnswers<Reading | undefined>();
  readonly snapshots = new SharedAnswers<StampedEvent>();
  readonly ends = new SharedAnswers<boolean>();

  /** `subscriber` must be a connection of its own; the hub closes it. */
  constructor(subscriber: RedisClient, shards = 1) {
    this.#subscriber = subscriber;
    this.#shards = Array.from({ length: shards }, (_, shard) => shardKeys(shard));
    subscriber.on("message", (channel: string) => this.#wake(channel));
    subscriber.on("ready", () => this.#reconnected());
  }

  /** How many wait, for all runs together and for what else there is. */
  get waiters(): number {
    let count = 0;
    for (const { waiters } of this.#channels.values()) count += waiters.size;
    return count;
  }

  /**
   * Subscribes to a run. `wait` resolves at the next hint since the last `wait` (at once, when one came in
   * between), after a few seconds, or when `signal` aborts. While Redis is away this waits for it, or throws the
   * signal's reason.
   */
  subscribe(id: RunId, signal?: AbortSignal): Promise<HintSubscription> {
    return this.#subscribe([runKeys(id).events], signal);
  }

  /** Subscribes to new pools; waits as for a run. */
  subscribePools(): Promise<HintSubscription> {
    return this.#subscribe(this.#shards.map(({ pools }) => pools));
  }

  /** Subscribes to runs that come to wait for their admission; waits as for a run. */
  subscribeAdmission(): Promise<HintSubscription> {
    return this.#subscribe(this.#shards.map((_, shard) => admissionKeys(shard).admission));
  }

  /** Subscribes to changes of the API's keys; waits as for a run. */
  subscribeApiKeys(): Promise<HintSubscription> {
    return this.#subscribe([apiKeysKey()]);
  }

  /** Subscribes to changes that workers must follow at once; waits as for a run. */
  subscribeControl(): Promise<HintSubscription> {
    return this.#subscribe(this.#shards.map(({ control }) => control));
  }

  async close(): Promise<void> {
    for (const channel of this.#channels.keys()) this.#wake(channel);
    this.#channels.clear();
    this.#subscriber.disconnect();
  }

  async #subscribe(names: readonly string[], signal?: AbortSignal): Promise<HintSubscription> {
    const subscription = new HintSubscription(
      () => this.#channels.get(names[0] ?? "")?.mark ?? 0,
      () => this.#leave(names, subscription.wake),
    );
    const subscribed = this.#join(names, subscription.wake);
    try {
      await (signal === undefined ? subscribed : abortable(subscribed, signal));
    } catch (error) {
      await subscription[Symbol.asyncDispose]();
      throw error;
    }
    return subscription;
  }

  #join(names: readonly string[], wake: () => void): Promise<unknown> {
    const first = names.filter((name) => !this.#channels.has(name));
    const asked = first.length === 0 ? undefined : this.#subscriber.subscribe(...first);
    for (const name of first) {
      this.#marks += 1;
      const subscribed = asked ?? Promise.resolve();
      this.#channels.set(name, { waiters: new Set(), subscribed, mark: this.#marks });
    }
    const joined = names.map((name) => this.#channels.get(name));
    for (const channel of joined) channel?.waiters.add(wake);
    return Promise.all(joined.map((channel) => channel?.subscribed));
  }

  #wake(name: string): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    this.#marks += 1;
    channel.mark = this.#marks;
    for (const wake of channel.waiters) wake();
  }

  /** Hints may have been lost: everybody looks. What was left meanwhile is left now. */
  #reconnected(): void {
    for (const name of this.#channels.keys()) this.#wake(name);
    const left = [...this.#left].filter((name) => !this.#channels.has(name));
    this.#left.clear();
    this.#unsubscribe(left);
  }

  #leave(names: readonly string[], wake: () => void): void {
    const left = names.filter((name) => {
      const waiters = this.#channels.get(name)?.waiters;
      return waiters?.delete(wake) === true && waiters.size === 0;
    });
    for (const name of left) this.#channels.delete(name);
    this.#unsubscribe(left);
  }

  /** Is waited for by nobody: Redis may hang, and who has left is done. */
  #unsubscribe(names: readonly string[]): void {
    if (names.length === 0) return;
    // The next connection begins with what is still to be left.
    const leaveLater = (): void => {
      for (const name of names) this.#left.add(name);
    };
    if (this.#subscriber.status === "ready") this.#subscriber.unsubscribe(...names).catch(leaveLater);
    else leaveLater();
  }
}

export class HintSubscription {
  readonly #mark: () => number;
  readonly #leave: () => void;
  #hinted = false;
  #resolve: (() => void) | undefined;

  constructor(mark: () => number, leave: () => void) {
    this.#mark = mark;
    this.#leave = leave;
  }

  /** Another one after each hint: what was asked for at this mark has all that was hinted at so far. */
  get mark(): number {
    return this.#mark();
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
    this.#leave();
  }
}
