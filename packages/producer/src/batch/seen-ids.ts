/**
 * Which custom ids a file had already, and on which line, in 24 to 48 bytes an id (72 while the table grows) instead of the id itself. Ids are
 * told apart by 64 bits of their SHA-256: among ten million, two different ones are taken for the same with a chance
 * of three in a million.
 */
import { hash } from "node:crypto";

const START_SLOTS = 1_024;
/** High half of the digest, low half, line. A line of 0 is a free slot. */
const SLOT = 3;

export class SeenIds {
  #slots = new Uint32Array(START_SLOTS * SLOT);
  #count = 0;

  /** Notes that `id` is on `line` (from 1); the line on which it was before, if it was. */
  add(id: string, line: number): number | undefined {
    const digest = hash("sha256", id, "buffer");
    const [high, low] = [digest.readUInt32LE(0), digest.readUInt32LE(4)];
    const slot = placeOf(this.#slots, high, low);
    const known = this.#slots[slot + 2];
    if (known !== undefined && known !== 0) return known;
    write(this.#slots, slot, high, low, line);
    this.#count += 1;
    if (this.#count * 2 * SLOT > this.#slots.length) this.#grow();
    return undefined;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    for (let slot = 0; slot < old.length; slot += SLOT) {
      const [high = 0, low = 0, line = 0] = old.subarray(slot, slot + SLOT);
      if (line !== 0) write(this.#slots, placeOf(this.#slots, high, low), high, low, line);
    }
  }
}

/** The slot of the digest, or the free one where it belongs. */
function placeOf(slots: Uint32Array, high: number, low: number): number {
  const count = slots.length / SLOT;
  let place = low % count;
  for (;;) {
    const slot = place * SLOT;
    if (slots[slot + 2] === 0 || (slots[slot] === high && slots[slot + 1] === low)) return slot;
    place = (place + 1) % count;
  }
}

function write(slots: Uint32Array, slot: number, high: number, low: number, line: number): void {
  slots[slot] = high;
  slots[slot + 1] = low;
  slots[slot + 2] = line;
}
