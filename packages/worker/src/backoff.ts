/** How long to wait before a model call is tried again: exponential with full jitter, or what the provider said. */
import type { IdSource, Retry } from "@baton/core";

const BASE_MS = 500;
const MAX_MS = 60_000;
/** No provider's word keeps a run longer than this before it asks again. */
const NAMED_MS_MAX = 600_000;

/** Milliseconds until try number `tries + 1`; `tries` counts the failures so far, from 1. */
export function backoffMs(retry: Retry, tries: number, source: Pick<IdSource, "random">): number {
  const [byte = 0, next = 0] = source.random(2);
  const fraction = (byte * 256 + next) / 65_536;
  const ceiling = Math.min(MAX_MS, BASE_MS * 2 ** (tries - 1));
  const own = Math.ceil(ceiling / 2 + (ceiling / 2) * fraction);
  if (typeof retry !== "object") return own;
  // Spread a little behind the named time, so that a pool does not come back as one. A provider that names no time to
  // speak of is not asked without a pause.
  return Math.max(own, Math.min(NAMED_MS_MAX, Math.ceil(retry.after * (1 + fraction / 10))));
}
