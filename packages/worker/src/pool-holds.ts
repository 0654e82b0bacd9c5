/**
 * Which pools are held, as this process knows it: paused by a person, or slowed down by a provider's rate limit. It
 * hears of all by the beat, and of its own rate limits at once.
 */
import type { IdSource, ModelId } from "@baton/core";

/** How long a beat may have been under way: what is held here meanwhile, its reply does not know. */
const BEAT_MS_MAX = 2_000;

export class PoolHolds {
  readonly #clock: Pick<IdSource, "now">;
  readonly #onChange: () => void;
  #until: ReadonlyMap<ModelId, number> = new Map();
  /** Holds of this process' own, and when they began. */
  readonly #own = new Map<ModelId, { readonly until: number; readonly since: number }>();

  /** `onChange` is called when a hold began or may have ended. */
  constructor(clock: Pick<IdSource, "now">, onChange: () => void = () => undefined) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** Takes what the beat replied: milliseconds for which each held pool is held. */
  learn(holds: ReadonlyMap<ModelId, number>): void {
    const now = this.#clock.now();
    const until = new Map([...holds].map(([pool, ms]) => [pool, now + ms]));
    for (const [pool, own] of this.#own) {
      if (now - own.since > BEAT_MS_MAX) this.#own.delete(pool);
      else until.set(pool, Math.max(own.until, until.get(pool) ?? 0));
    }
    this.#until = until;
    this.#onChange();
  }

  /** Holds a pool that is not held for longer. */
  hold(pool: ModelId, ms: number): void {
    if (ms <= this.msOf(pool)) return;
    const since = this.#clock.now();
    this.#own.set(pool, { until: since + ms, since });
    this.#until = new Map([...this.#until, [pool, since + ms]]);
    this.#onChange();
  }

  /** Milliseconds until the next hold ends; undefined when none does by itself. */
  get nextEndMs(): number | undefined {
    const ends = [...this.#until.keys()]
      .map((pool) => this.msOf(pool))
      .filter((ms) => ms > 0 && ms < Infinity);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /** How long the pool is held from now: 0 when it is not, Infinity while it is paused. */
  msOf(pool: ModelId): number {
    return Math.max(0, (this.#until.get(pool) ?? 0) - this.#clock.now());
  }
}
