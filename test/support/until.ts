/** Waits for a condition instead of sleeping: as short as possible, and with a deadline that says what was missing. */
import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";

const LOOK_EVERY_MS = 10;

export interface UntilOptions {
  /** Ends the sentence "waited in vain for …". */
  readonly what: string;
  /** Default 10 s. */
  readonly withinMs?: number;
}

type Falsy = undefined | null | false | 0 | "";

/**
 * Resolves with the first truthy value of `condition`. At the deadline it fails with the last value, or with what
 * the condition threw last as the cause: throwing counts as "not yet".
 */
export async function until<Value>(
  condition: () => Value | Promise<Value>,
  { what, withinMs = 10_000 }: UntilOptions,
): Promise<Exclude<Value, Falsy>> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const seen = await attempt(condition);
    if (seen.kind === "value" && isTruthy(seen.value)) return seen.value;
    if (performance.now() >= deadline) {
      const last = seen.kind === "value" ? inspect(seen.value, { depth: 4 }) : String(seen.error);
      throw new Error(`waited ${withinMs} ms in vain for ${what}; last seen: ${last}`, {
        cause: seen.kind === "error" ? seen.error : undefined,
      });
    }
    await delay(LOOK_EVERY_MS);
  }
}

function isTruthy<Value>(value: Value): value is Exclude<Value, Falsy> {
  return Boolean(value);
}

type Attempt<Value> =
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "error"; readonly error: unknown };

async function attempt<Value>(condition: () => Value | Promise<Value>): Promise<Attempt<Value>> {
  try {
    return { kind: "value", value: await condition() };
  } catch (error) {
    return { kind: "error", error };
  }
}
