/**
 * How many batches may come in at once: each holds a file, and some bytes for each of its lines. One key has half of the
 * places at most, so that nobody who sends slowly keeps all others from sending.
 */
import { HttpProblem } from "../problem.ts";

const RETRY_AFTER_SECONDS = 5;
const SHARE_MAX = 0.5;

export class UploadPlaces {
  readonly #max: number;
  readonly #ofKeys = new Map<string, number>();
  #taken = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Throws `rate_limited` when all are taken, or all that the key may have. */
  take(keyId: string | undefined): Disposable {
    if (this.#taken >= this.#max) throw taken(`${this.#max} batches are coming in here`);
    const own = keyId === undefined ? 0 : (this.#ofKeys.get(keyId) ?? 0);
    const ownMax = keyId === undefined ? this.#max : Math.max(1, Math.floor(this.#max * SHARE_MAX));
    if (own >= ownMax) {
      throw taken(
        ownMax === 1
          ? "a batch of this API key is coming in here"
          : `${ownMax} batches of this API key are coming in here`,
      );
    }
    this.#taken += 1;
    this.#count(keyId, 1);
    return {
      [Symbol.dispose]: () => {
        this.#taken -= 1;
        this.#count(keyId, -1);
      },
    };
  }

  #count(keyId: string | undefined, by: number): void {
    if (keyId === undefined) return;
    const count = (this.#ofKeys.get(keyId) ?? 0) + by;
    if (count === 0) this.#ofKeys.delete(keyId);
    else this.#ofKeys.set(keyId, count);
  }
}

function taken(so: string): HttpProblem {
  return new HttpProblem("rate_limited", 429, `${so}: send it again`, { retryAfter: RETRY_AFTER_SECONDS });
}
