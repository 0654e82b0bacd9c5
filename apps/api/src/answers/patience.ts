/**
 * How long a client is kept waiting for a run that does not move: one that waits for somebody to act, or for a worker when
 * none serves its model or has what it needs. What goes by by itself (a queue, a backoff, a rate limit) is waited for. The
 * run is looked at twice in that time, and has run out of patience when it stood still in between.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { ModelId, Run } from "@baton/core";

export interface WaitBounds {
  readonly waitMs: number;
  /** Whether a live worker serves the model. */
  readonly isServed: (model: ModelId) => Promise<boolean>;
}

const LOOK_MS_MIN = 20;

export class Patience implements AsyncDisposable {
  readonly #bounds: WaitBounds;
  readonly #look: () => Promise<Run>;
  readonly #over = new AbortController();
  readonly #loop: Promise<void>;
  #stood: string | undefined;

  constructor(look: () => Promise<Run>, bounds: WaitBounds) {
    this.#look = look;
    this.#bounds = bounds;
    // A look that fails ends the waiting too: who waited looks again, and hears what is wrong.
    this.#loop = this.#watch()
      .catch(() => undefined)
      .finally(() => this.#over.abort());
  }

  /** Aborts when it is out. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Told of a run that waits: nobody adds to a budget by itself, so it is not waited for. */
  seeWait(reason: string | undefined): void {
    if (reason === "budget") this.#over.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#loop;
  }

  async #watch(): Promise<void> {
    const everyMs = Math.max(LOOK_MS_MIN, this.#bounds.waitMs / 2);
    while (!this.#over.signal.aborted) {
      // A rest that was cut short is the end of it.
      await delay(everyMs, undefined, { signal: this.#over.signal }).catch(() => undefined);
      if (this.#over.signal.aborted || (await this.#isOut())) return;
    }
  }

  async #isOut(): Promise<boolean> {
    const run = await this.#look();
    const stands = (await standsStill(run, this.#bounds))
      ? `${run.status} ${run.epoch} ${run.ticket}`
      : undefined;
    const isOut = stands !== undefined && stands === this.#stood;
    this.#stood = stands;
    return isOut;
  }
}

/** Whether nothing will come of the run until somebody does something. */
export async function standsStill(run: Run, { isServed }: Pick<WaitBounds, "isServed">): Promise<boolean> {
  if (run.status === "waiting") return true;
  return run.status === "queued" && (run.missing !== undefined || !(await isServed(run.model)));
}
