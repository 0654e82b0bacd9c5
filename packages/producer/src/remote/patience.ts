/**
 * How long a client bears with a server that does not answer: pauses that grow, with jitter, until the server has been
 * away for longer than it is waited for. Any answer makes it patient anew.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { BatonError, IdSource } from "@baton/core";

export interface PatienceOptions {
  readonly ids: IdSource;
  /** From the first failure on. */
  readonly patienceMs: number;
  /** Hears of each failure that is borne. */
  readonly onError: (error: BatonError) => void;
}

const BASE_MS = 200;
const PAUSE_MS_MAX = 5_000;
/** No server's word keeps a client longer than this before it asks again. */
const NAMED_MS_MAX = 30_000;

export class Patience {
  readonly #options: PatienceOptions;
  #failures = 0;
  #since = 0;

  constructor(options: PatienceOptions) {
    this.#options = options;
  }

  /** Pauses before the next try. Throws the error when it will not pass, or has lasted too long; or the signal's reason. */
  async bear(error: BatonError, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { ids, patienceMs, onError } = this.#options;
    if (error.retry === "never" || error.code === "redis_full") throw error;
    const now = ids.now();
    if (this.#failures === 0) this.#since = now;
    this.#failures += 1;
    const ms = this.#pauseMs(error);
    if (now + ms - this.#since > patienceMs) throw error;
    onError(error);
    await delay(ms, undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
  }

  /** The server answered. */
  calm(): void {
    this.#failures = 0;
  }

  #pauseMs({ retry }: BatonError): number {
    const [byte = 0] = this.#options.ids.random(1);
    const ceiling = Math.min(PAUSE_MS_MAX, BASE_MS * 2 ** Math.min(10, this.#failures - 1));
    const own = ceiling / 2 + (ceiling / 2) * (byte / 255);
    const named = typeof retry === "object" ? Math.min(NAMED_MS_MAX, retry.after) : 0;
    return Math.ceil(Math.max(own, named));
  }
}
