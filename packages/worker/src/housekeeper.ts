/** Repeats a chore: the next time begins a pause after the last one ended, so that chores never pile up. */
export class Housekeeper {
  readonly #pauseMs: number;
  readonly #chore: () => Promise<unknown>;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(pauseMs: number, chore: () => Promise<unknown>, onError: (error: unknown) => void) {
    this.#pauseMs = pauseMs;
    this.#chore = chore;
    this.#onError = onError;
  }

  start(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#once();
    }, this.#pauseMs);
  }

  /** Waits for the chore that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #once(): Promise<void> {
    try {
      await this.#chore();
    } catch (error) {
      this.#onError(error);
    }
    this.start();
  }
}
