/** How the values of flags are read. */
import { InvalidArgumentError } from "commander";

export function collect(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value];
}

/** A whole number from 1. */
export function positive(value: string): number {
  return wholeNumber(value, 1);
}

/** A whole number from 1, or `none`. */
export function positiveOrNone(value: string): number | "none" {
  return value === "none" ? value : wholeNumber(value, 1);
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

/** A TCP port; 0 takes a free one. */
export function port(value: string): number {
  const number = natural(value);
  if (number > 65_535) throw new InvalidArgumentError("use a port, at most 65535.");
  return number;
}

/** A number above 0. */
export function amount(value: string): number {
  const number = Number(value);
  if (!Number.isFinite(number) || number <= 0) throw new InvalidArgumentError("use a number above 0.");
  return number;
}

/** Any number. */
export function number(value: string): number {
  const read = Number(value);
  if (value.trim() === "" || !Number.isFinite(read)) throw new InvalidArgumentError("use a number.");
  return read;
}

const SCOPES = ["read", "submit", "operate"] as const;
type Scope = (typeof SCOPES)[number];

/** Scopes of an API key, with commas between them. */
export function scopes(value: string): readonly Scope[] {
  return value.split(",").map((word) => {
    const scope = SCOPES.find((one) => one === word.trim());
    if (scope === undefined) throw new InvalidArgumentError(`use some of ${SCOPES.join(", ")}.`);
    return scope;
  });
}
