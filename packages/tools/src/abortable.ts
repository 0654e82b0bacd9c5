/** Waits for something shared without owning it: the wait can be given up, the work goes on for the others. */

/** As `promise`, but throws `signal.reason` when the signal aborts first. */
export async function abortable<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  // When this wait is given up before it began, a failure of the work is still nobody's unhandled rejection.
  promise.catch(() => {});
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Timers take no longer delay than this; a longer one would fire at once. */
export const TIMER_MS_MAX = 2_147_483_647;
