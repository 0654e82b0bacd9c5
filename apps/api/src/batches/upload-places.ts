/** How many batches may come in at once: each holds a file, and some bytes for each of its lines. */
import { HttpProblem } from "../problem.ts";

const RETRY_AFTER_SECONDS = 5;

export class UploadPlaces {
  readonly #max: number;
  #taken = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Throws `rate_limited` when all are taken. */
  take(): Disposable {
    if (this.#taken >= this.#max) {
      throw new HttpProblem("rate_limited", 429, `${this.#max} batches are coming in here: send it again`, {
        retryAfter: RETRY_AFTER_SECONDS,
      });
    }
    this.#taken += 1;
    return {
      [Symbol.dispose]: () => {
        this.#taken -= 1;
      },
    };
  }
}
