/** Counts what happened within the last minute, to the second. */
const SLOTS = 60;
const SLOT_MS = 1_000;

export class MinuteCount {
  readonly #counts: number[] = Array.from({ length: SLOTS }, () => 0);
  /** The slot of the last addition, counted from the epoch. */
  #last = 0;

  add(now: number): void {
    this.#forget(now);
    const place = this.#last % SLOTS;
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
  }

  at(now: number): number {
    this.#forget(now);
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /** Clears the slots between the last addition and now. A clock that goes back stays where it was. */
  #forget(now: number): void {
    const slot = Math.max(this.#last, Math.floor(now / SLOT_MS));
    for (let clear = Math.max(this.#last + 1, slot - SLOTS + 1); clear <= slot; clear += 1) {
      this.#counts[clear % SLOTS] = 0;
    }
    this.#last = slot;
  }
}
