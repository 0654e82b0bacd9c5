/**
 * Seeded choices without state: each is a hash of its key, so that what is chosen for one run or one fault does not
 * depend on the order in which others are asked for.
 */
import { createHash } from "node:crypto";

type Key = readonly (string | number)[];

/** At least 0, below 1. */
export function fractionOf(...key: Key): number {
  return createHash("sha256").update(key.join("/")).digest().readUInt32BE(0) / 2 ** 32;
}

/** A whole number, `from` and `to` included. */
export function numberOf(from: number, to: number, ...key: Key): number {
  return from + Math.floor(fractionOf(...key) * (to - from + 1));
}

export function pickOf<Value>(values: readonly [Value, ...Value[]], ...key: Key): Value {
  return values[Math.floor(fractionOf(...key) * values.length)] ?? values[0];
}

/** The same values in an order that the key decides. */
export function shuffled<Value>(values: readonly Value[], ...key: Key): readonly Value[] {
  return values
    .map((value, place) => ({ value, rank: fractionOf(...key, place) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ value }) => value);
}
