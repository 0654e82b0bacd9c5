/** How the values of flags are read. */
import { InvalidArgumentError } from "commander";

export function collect(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value];
}

/** A whole number from 1. */
export function positive(value: string): number {
  return wholeNumber(value, 1);
}

/** A whole number from 0. */
export function natural(value: string): number {
  return wholeNumber(value, 0);
}

function wholeNumber(value: string, least: number): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < least)
    throw new InvalidArgumentError(`use a whole number from ${least}.`);
  return number;
}

/** A number above 0. */
export function amount(value: string): number {
  const number = Number(value);
  if (!Number.isFinite(number) || number <= 0) throw new InvalidArgumentError("use a number above 0.");
  return number;
}
