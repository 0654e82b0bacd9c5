/**
 * Room for the runs of one batch, taken for all of them at once. Each line has a place in it for as long as it is on its way;
 * one that became a run has used its place up, and one that was a run already gives it back. So what is set aside shrinks as
 * the runs come to count themselves. A line for which there is no place is looked for first: most of a batch that is sent
 * again is there already, and needs none.
 */
import type { Admission } from "@baton/producer";
import { type Act, findThere, isLate, type Room, stoodStill, TRIES } from "./room.ts";

/** Told anew so often how much is still wanted: its lease must not end, and what was made meanwhile counts twice until then. */
const KEEP_EVERY_MS = 300;

export interface BatchRoomOptions {
  /** How many new runs there is room for. */
  readonly runs: number;
  /** Absent for none. */
  readonly room: Room | undefined;
  /** For new runs beyond those. */
  readonly beyond: Admission;
  /** Room for so many anew, when what was held was given to others. Throws when there is none. */
  readonly again: (runs: number) => Promise<Room>;
}

export class BatchRoom implements Admission, AsyncDisposable {
  readonly #options: BatchRoomOptions;
  #room: Room | undefined;
  #left: number;
  #onTheirWay = 0;
  /** Those that failed: they may be made all the same. */
  #unknown = 0;
  #keptAt = performance.now();
  #keeping: Promise<void> | undefined;
  #returned = Promise.withResolvers<void>();

  constructor(options: BatchRoomOptions) {
    this.#options = options;
    this.#room = options.room;
    this.#left = options.runs;
  }

  async admit<Reply extends { readonly kind: string }>(act: Act<Reply>): Promise<Reply> {
    let isNew = false;
    for (let tries = 0; tries < TRIES; ) {
      await this.#keep();
      if (this.#room !== undefined && this.#left > 0) {
        const reply = await this.#inPlace(this.#room, act);
        if (!isLate(reply)) return reply;
        this.#keptAt = Number.NEGATIVE_INFINITY;
        tries += 1;
      } else if (!isNew) {
        const there = await findThere(act);
        if (there !== undefined) return there;
        isNew = true;
      } else if (this.#onTheirWay > 0) {
        await this.#returned.promise;
      } else {
        // What was made since it was last told would count twice.
        await this.#keep(0);
        return this.#options.beyond.admit(act);
      }
    }
    throw stoodStill();
  }

  /** What may still be made keeps its room until the lease is over. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeping?.catch(() => undefined);
    if (this.#unknown === 0) await this.#room?.leave();
  }

  async #inPlace<Reply extends { readonly kind: string }>(
    room: Room,
    act: Act<Reply>,
  ): ReturnType<Act<Reply>> {
    this.#left -= 1;
    this.#onTheirWay += 1;
    try {
      const reply = await act(room.until);
      if (reply.kind !== "created") this.#left += 1;
      return reply;
    } catch (error) {
      this.#unknown += 1;
      throw error;
    } finally {
      this.#onTheirWay -= 1;
      this.#returned.resolve();
      this.#returned = Promise.withResolvers();
    }
  }

  async #keep(everyMs = KEEP_EVERY_MS): Promise<void> {
    if (this.#keeping === undefined && performance.now() - this.#keptAt >= everyMs) {
      this.#keptAt = performance.now();
      this.#keeping = this.#keepNow().finally(() => {
        this.#keeping = undefined;
      });
    }
    await this.#keeping;
  }

  async #keepNow(): Promise<void> {
    if (this.#room === undefined) return;
    const runs = this.#left + this.#onTheirWay + this.#unknown;
    this.#room = (await this.#room.keep(runs)) ?? (await this.#options.again(runs));
  }
}
