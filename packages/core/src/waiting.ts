/** What all who wait for something in this process share. */

/** Timers take no longer delay than this; a longer one would fire at once. Source: Node.js, `timers`. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * As `work`, but throws `signal.reason` when the signal aborts first. Only the wait is given up: the work goes on for whoever
 * else waits for it, and what becomes of it no longer matters here.
 */
export async function abortable<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  try {
    // The signal first: when both are there already, nobody waits any more.
    return await Promise.race([aborted, work]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
