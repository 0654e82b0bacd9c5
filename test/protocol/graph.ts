/** The explored graph: states as numbers in the order in which they were found, and what leads where. */
import type { Step } from "./step.ts";

export const NOWHERE = -1;

const HAS_ENTRY = 1;
const IS_OVER = 2;

export interface Goodness {
  /** The run needs no entry, or has one (R4). */
  readonly hasEntry: boolean;
  /** The run has ended and nobody is at it. */
  readonly isOver: boolean;
}

export class Graph {
  readonly #places = new Map<string, number>();
  readonly #parents = new Numbers();
  readonly #goodness = new Numbers();
  /** Steps that are not adverse: where from, where to, and whether they repair. */
  readonly #from = new Numbers();
  readonly #to = new Numbers();
  readonly #repairs = new Numbers();

  get size(): number {
    return this.#places.size;
  }

  /** The place of a state; a new one remembers from where it was found first. */
  add(key: string, parent: number): { readonly place: number; readonly isNew: boolean } {
    const known = this.#places.get(key);
    if (known !== undefined) return { place: known, isNew: false };
    const place = this.#places.size;
    this.#places.set(key, place);
    this.#parents.push(parent);
    return { place, isNew: true };
  }

  placeOf(key: string): number | undefined {
    return this.#places.get(key);
  }

  /** Notes what is good about a state; called once for each, in the order of their places. */
  mark({ hasEntry, isOver }: Goodness): void {
    this.#goodness.push((hasEntry ? HAS_ENTRY : 0) | (isOver ? IS_OVER : 0));
  }

  /** A step from here was not followed: it is not known to be cut off from anything. */
  forgive(place: number): void {
    this.#goodness.set(place, HAS_ENTRY | IS_OVER);
  }

  connect(from: number, to: number, kind: Step["kind"]): void {
    if (kind === "adverse" || from === to) return;
    this.#from.push(from);
    this.#to.push(to);
    this.#repairs.push(kind === "repair" ? 1 : 0);
  }

  /** Places from the first state to this one, by the way on which it was found. */
  pathTo(place: number): readonly number[] {
    const path: number[] = [];
    for (let at = place; at !== NOWHERE; at = this.#parents.at(at)) path.push(at);
    return path.reverse();
  }

  /** The first state from which no repair leads to an entry. */
  firstWithoutEntry(): number | undefined {
    return this.#firstCutOff(HAS_ENTRY, true);
  }

  /** The first state from which no work leads to the end. */
  firstWithoutEnd(): number | undefined {
    return this.#firstCutOff(IS_OVER, false);
  }

  /** Walks backwards from the good states; the first state that is never met is cut off from them. */
  #firstCutOff(good: number, onlyRepairs: boolean): number | undefined {
    const { starts, sources } = this.#reversed(onlyRepairs);
    const met = new Uint8Array(this.size);
    const stack: number[] = [];
    for (let place = 0; place < this.size; place += 1)
      if ((this.#goodness.at(place) & good) !== 0) {
        met[place] = 1;
        stack.push(place);
      }
    for (let place = stack.pop(); place !== undefined; place = stack.pop())
      for (let edge = starts[place] ?? 0; edge < (starts[place + 1] ?? 0); edge += 1) {
        const source = sources[edge] ?? 0;
        if (met[source] === 1) continue;
        met[source] = 1;
        stack.push(source);
      }
    const first = met.indexOf(0);
    return first < 0 ? undefined : first;
  }

  /** The steps by where they lead: those to `place` come from `sources[starts[place]…starts[place + 1]]`. */
  #reversed(onlyRepairs: boolean): { readonly starts: Int32Array; readonly sources: Int32Array } {
    const isMeant = (edge: number): boolean => !onlyRepairs || this.#repairs.at(edge) === 1;
    const starts = new Int32Array(this.size + 1);
    for (let edge = 0; edge < this.#to.length; edge += 1)
      if (isMeant(edge)) starts[this.#to.at(edge) + 1] = (starts[this.#to.at(edge) + 1] ?? 0) + 1;
    for (let place = 0; place < this.size; place += 1)
      starts[place + 1] = (starts[place + 1] ?? 0) + (starts[place] ?? 0);
    const sources = new Int32Array(starts[this.size] ?? 0);
    const filled = starts.slice();
    for (let edge = 0; edge < this.#to.length; edge += 1) {
      if (!isMeant(edge)) continue;
      const to = this.#to.at(edge);
      const at = filled[to] ?? 0;
      sources[at] = this.#from.at(edge);
      filled[to] = at + 1;
    }
    return { starts, sources };
  }
}

/** A growing list of 32-bit integers. */
class Numbers {
  #items = new Int32Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.#items.length) {
      const larger = new Int32Array(this.length * 2);
      larger.set(this.#items);
      this.#items = larger;
    }
    this.#items[this.length] = value;
    this.length += 1;
  }

  set(index: number, value: number): void {
    if (index >= this.length) throw new Error(`there is no number ${index}`);
    this.#items[index] = value;
  }

  at(index: number): number {
    const value = this.#items[index];
    if (value === undefined || index >= this.length) throw new Error(`there is no number ${index}`);
    return value;
  }
}
