/**
 * The places of a process: how many phases may be at work in it at once, over all pools. Whoever fetches a phase has a
 * place first, or finds one at once; what is fetched without finding one goes back to its queue.
 *
 * - Never more places are taken than there are, and never more by a pool than its cap.
 * - A place that nobody waits for is free for any pool: a pool without work takes none.
 * - A freed place is offered to the pools that wait, in turn: each gets one before one of them gets its second. Those who
 *   wait for one pool, a fetcher for each shard, have the turns of their pool in turn, too.
 */
import type { ModelId } from "@baton/core";

interface Waiter {
  readonly who: unknown;
  readonly resolve: (isTaken: boolean) => void;
}

export class Places {
  readonly size: number;
  readonly #caps = new Map<ModelId, number>();
  readonly #takenBy = new Map<ModelId, number>();
  /** Those who wait, by pool, in the order of the pools' turns; a pool without one is not in it. */
  readonly #waiting = new Map<ModelId, Waiter[]>();
  #taken = 0;

  constructor(size: number) {
    this.size = size;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Pools with phases at work, and how many. */
  get takenByPool(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#takenBy);
  }

  /** Pools that may not have all places, and how many they may have. */
  get caps(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#caps);
  }

  /** Bounds a pool from now on; undefined bounds it by the process alone. Phases at work beyond it go on to their end. */
  cap(pool: ModelId, most: number | undefined): void {
    if (most === undefined) this.#caps.delete(pool);
    else this.#caps.set(pool, most);
    this.#offer();
  }

  /** Takes a place if one is free now. Those who wait come first, but where a place is free nobody waits for it. */
  tryTake(pool: ModelId): boolean {
    if (!this.#isFreeFor(pool)) return false;
    this.#take(pool);
    return true;
  }

  /** Waits for a place and takes it; false when `signal` aborted before. `who` tells those apart who wait for one pool. */
  take(pool: ModelId, signal: AbortSignal, who: unknown = pool): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (this.tryTake(pool)) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const leave = (): void => this.#leave(pool, waiter);
    const waiter: Waiter = {
      who,
      resolve(isTaken) {
        signal.removeEventListener("abort", leave);
        resolve(isTaken);
      },
    };
    signal.addEventListener("abort", leave, { once: true });
    const waiters = this.#waiting.get(pool);
    if (waiters === undefined) this.#waiting.set(pool, [waiter]);
    else waiters.push(waiter);
    return promise;
  }

  /** Gives a place back; the pool whose turn it is gets it. */
  give(pool: ModelId): void {
    const left = this.takenBy(pool) - 1;
    if (left < 0) throw new Error(`a place of ${pool} was given back twice`);
    this.#taken -= 1;
    if (left === 0) this.#takenBy.delete(pool);
    else this.#takenBy.set(pool, left);
    this.#offer();
  }

  /**
   * Whether one who is about to give a place back may use it for the next phase of the same pool: yes, unless it is the
   * turn of another pool or of another one of this pool, or the pool has more than its cap by now. A yes uses up a turn.
   */
  mayGoOn(pool: ModelId, who: unknown = pool): boolean {
    if (this.takenBy(pool) > this.#capOf(pool)) return false;
    const next = this.#nextPool(pool);
    if (next === undefined) return true;
    const waiters = this.#waiting.get(next);
    if (next !== pool || waiters === undefined || waiters[0]?.who !== who) return false;
    waiters.push(...waiters.splice(0, 1));
    this.#moveToEnd(pool);
    return true;
  }

  takenBy(pool: ModelId): number {
    return this.#takenBy.get(pool) ?? 0;
  }

  #capOf(pool: ModelId): number {
    return this.#caps.get(pool) ?? this.size;
  }

  #isFreeFor(pool: ModelId): boolean {
    return this.#taken < this.size && this.takenBy(pool) < this.#capOf(pool);
  }

  #take(pool: ModelId): void {
    this.#taken += 1;
    this.#takenBy.set(pool, this.takenBy(pool) + 1);
  }

  /** The first waiting pool that is below its cap, as it will be when `leaving` has given a place back. */
  #nextPool(leaving?: ModelId): ModelId | undefined {
    for (const pool of this.#waiting.keys()) {
      const taken = this.takenBy(pool) - (pool === leaving ? 1 : 0);
      if (taken < this.#capOf(pool)) return pool;
    }
    return undefined;
  }

  #offer(): void {
    while (this.#taken < this.size) {
      const pool = this.#nextPool();
      if (pool === undefined) return;
      const waiter = this.#waiting.get(pool)?.shift();
      this.#moveToEnd(pool);
      this.#take(pool);
      waiter?.resolve(true);
    }
  }

  /** Its turn is over; a pool for which nobody waits any more leaves the round. */
  #moveToEnd(pool: ModelId): void {
    const waiters = this.#waiting.get(pool);
    if (waiters === undefined) return;
    this.#waiting.delete(pool);
    if (waiters.length > 0) this.#waiting.set(pool, waiters);
  }

  #leave(pool: ModelId, waiter: Waiter): void {
    const waiters = this.#waiting.get(pool) ?? [];
    const place = waiters.indexOf(waiter);
    if (place >= 0) waiters.splice(place, 1);
    if (waiters.length === 0) this.#waiting.delete(pool);
    waiter.resolve(false);
  }
}
