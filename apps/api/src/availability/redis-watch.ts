/**
 * Whether Redis can be used, as seen by something that is asked of it again and again: commands wait for a Redis that is
 * away, so the only sign of it is an answer that does not come. What is asked must be refused where other work would be:
 * by a server that loads its data, or is no primary.
 */
import { setTimeout as delay } from "node:timers/promises";

export interface RedisWatchOptions {
  /** Resolves when Redis answers; may wait as long as it does not. */
  readonly ask: () => Promise<unknown>;
  readonly everyMs: number;
  /** Without an answer for so long, Redis is away. */
  readonly patienceMs: number;
  readonly onChange: (isAway: boolean) => void;
}

/** After a pause of this process the answer may be there, and not read yet: it was the process that was late. */
const READING_MS = 50;

export class RedisWatch implements AsyncDisposable {
  readonly #options: RedisWatchOptions;
  readonly #closed = new AbortController();
  readonly #loop: Promise<void>;
  #isAway = false;
  #refusal: unknown;

  constructor(options: RedisWatchOptions) {
    this.#options = options;
    this.#loop = this.#watch();
  }

  get isAway(): boolean {
    return this.#isAway;
  }

  /** What it said the last time that it refused; undefined when it says nothing. */
  get refusal(): unknown {
    return this.#refusal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#loop;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      using _patience = this.#beginPatience();
      const outcome = await this.#askUntilClosed();
      if (outcome !== "closed") this.#set(outcome === "refused");
      // It rejects when the watch is closed, which the loop sees.
      await delay(this.#options.everyMs, undefined, { ref: false, signal }).catch(() => undefined);
    }
  }

  /** No race against a promise that lives as long as the watch: that would keep something of each round. */
  async #askUntilClosed(): Promise<"answered" | "refused" | "closed"> {
    const { signal } = this.#closed;
    const { promise, resolve } = Promise.withResolvers<"answered" | "refused" | "closed">();
    const onClose = (): void => resolve("closed");
    signal.addEventListener("abort", onClose, { once: true });
    void this.#ask().then(resolve);
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", onClose);
    }
  }

  async #ask(): Promise<"answered" | "refused"> {
    try {
      await this.#options.ask();
      this.#refusal = undefined;
      return "answered";
    } catch (error) {
      // Whatever it says, it does not do what requests need.
      this.#refusal = error;
      return "refused";
    }
  }

  #beginPatience(): Disposable {
    const onLate = (): void => {
      this.#refusal = undefined;
      this.#set(true);
    };
    let timer = setTimeout(() => {
      timer = setTimeout(onLate, READING_MS);
    }, this.#options.patienceMs);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  #set(isAway: boolean): void {
    if (this.#isAway === isAway) return;
    this.#isAway = isAway;
    this.#options.onChange(isAway);
  }
}
