/**
 * Which pools are held, as this process knows it: paused by a person, or slowed down by a provider's rate limit. It
 * hears of all by the beat, and of its own rate limits at once.
 */
import type { IdSource, ModelId } from "@baton/core";

export class PoolHolds {
  readonly #clock: Pick<IdSource, "now">;
  #until: ReadonlyMap<ModelId, number> = new Map();

  constructor(clock: Pick<IdSource, "now">) {
    this.#clock = clock;
  }

  /** Takes what the beat replied: milliseconds for which each held pool is held. */
  learn(holds: ReadonlyMap<ModelId, number>): void {
    const now = this.#clock.now();
    this.#until = new Map([...holds].map(([pool, ms]) => [pool, now + ms]));
  }

  /** Holds a pool that is not held for longer. */
  hold(pool: ModelId, ms: number): void {
    if (ms > this.msOf(pool)) this.#until = new Map([...this.#until, [pool, this.#clock.now() + ms]]);
  }

  /** How long the pool is held from now: 0 when it is not, Infinity while it is paused. */
  msOf(pool: ModelId): number {
    return Math.max(0, (this.#until.get(pool) ?? 0) - this.#clock.now());
  }
}
