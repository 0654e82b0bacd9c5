/**
 * What is done with the files of uploads, one thing after the other. A disk that does not answer (a network disk whose
 * server is away) keeps the thread that asked it for as long as it likes, and a process has few of those, which look up
 * names for its model calls, too. So uploads have one of them, and who waits for it is told after a while.
 *
 * - At most one operation is under way, however many uploads there are.
 * - While the disk does not answer nothing is asked of it, and everybody is refused at once.
 * - What was begun comes to its end when the disk answers again: its result is given to `drop`, as nobody waits for it.
 */
const ANSWER_MS_MAX = 10_000;

export class DiskSilence extends Error {
  override readonly name = "DiskSilence";
  /** As systems call it. */
  readonly code = "ETIMEDOUT";
}

interface Waiting {
  isGone: boolean;
  readonly giveUp: () => void;
}

export class DiskLane {
  readonly #answerMsMax: number;
  readonly #waiting = new Set<Waiting>();
  #tail: Promise<void> = Promise.resolve();
  #isSilent = false;

  constructor(answerMsMax = ANSWER_MS_MAX) {
    this.#answerMsMax = answerMsMax;
  }

  /** An operation of it has not ended, and may never: the process cannot end by itself while it has not. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  /** Throws `DiskSilence` where the disk does not answer, then or by now. */
  async run<Value>(operate: () => Promise<Value>, drop?: (value: Value) => Promise<unknown>): Promise<Value> {
    if (this.#isSilent) throw silence();
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    const waiting: Waiting = {
      isGone: false,
      giveUp: () => {
        waiting.isGone = true;
        reject(silence());
      },
    };
    this.#waiting.add(waiting);
    this.#enqueue(async () => {
      // It was never begun, so nothing is to be taken back.
      if (waiting.isGone) return;
      try {
        const value = await operate();
        if (waiting.isGone) await drop?.(value);
        else resolve(value);
      } catch (error) {
        reject(error);
      } finally {
        this.#waiting.delete(waiting);
      }
    });
    return await promise;
  }

  /** Happens as soon as the disk answers; resolves then, or when it turns out that it does not. */
  async eventually(operate: () => Promise<unknown>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { isGone: false, giveUp: resolve };
    this.#waiting.add(waiting);
    this.#enqueue(() =>
      operate()
        .then(() => resolve(), reject)
        .finally(() => this.#waiting.delete(waiting)),
    );
    if (this.#isSilent) resolve();
    await promise;
  }

  #enqueue(operate: () => Promise<void>): void {
    this.#tail = this.#tail.then(async () => {
      const timer = setTimeout(() => this.#beSilent(), this.#answerMsMax);
      await operate();
      clearTimeout(timer);
      this.#isSilent = false;
    });
  }

  #beSilent(): void {
    this.#isSilent = true;
    for (const { giveUp } of this.#waiting) giveUp();
    this.#waiting.clear();
  }
}

function silence(): DiskSilence {
  return new DiskSilence("the disk does not answer");
}
