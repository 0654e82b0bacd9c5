/**
 * Buckets of this process alone, which fill evenly: so many a minute, and as many at once after a rest. For what must be
 * bounded without Redis: keys that are wrong, by address, and the requests of a key while Redis is away.
 */
import type { Taken } from "@baton/store";

const MINUTE_MS = 60_000;
/** Beyond it the one that was used longest ago is forgotten. */
const BUCKETS_MAX = 10_000;

export class Buckets {
  /** The time at which a bucket is full again; the one that was used last is last. */
  readonly #fullAt = new Map<string, number>();
  readonly #now: () => number;

  /** `now` in milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  take(name: string, perMinute: number): Taken {
    const now = this.#now();
    const stepMs = MINUTE_MS / perMinute;
    const before = Math.min(Math.max(this.#fullAt.get(name) ?? 0, now), now + MINUTE_MS);
    const isTaken = before + stepMs <= now + MINUTE_MS + 0.5;
    const fullAt = isTaken ? before + stepMs : before;
    this.#fullAt.delete(name);
    this.#fullAt.set(name, fullAt);
    if (this.#fullAt.size > BUCKETS_MAX) {
      const [oldest = ""] = this.#fullAt.keys();
      this.#fullAt.delete(oldest);
    }
    const roomMs = now + MINUTE_MS - fullAt;
    const left = Math.floor((roomMs + 0.5) / stepMs);
    return {
      isTaken,
      left,
      nextMs: left > 0 ? 0 : Math.ceil(stepMs - roomMs),
      fullMs: Math.ceil(fullAt - now),
    };
  }

  get size(): number {
    return this.#fullAt.size;
  }
}
