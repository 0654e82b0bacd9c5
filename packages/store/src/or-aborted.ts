/**
 * Waits for an answer that may never come, as one of a Redis that is away, or until the signal aborts: then it throws the
 * signal's reason, and what becomes of the answer no longer matters.
 */
export async function orAborted<Value>(answer: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([answer, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
