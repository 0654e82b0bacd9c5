/** Many things at once, with a bound on how many. */

/**
 * Does `act` to each value, at most `atOnceMax` at a time. What has begun is waited for, also when one fails or
 * the values do: that error is thrown then. After an abort nothing more begins.
 */
export async function forEachAtOnce<Value>(
  values: AsyncIterable<Value>,
  atOnceMax: number,
  act: (value: Value) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let atWork = 0;
  let failure: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;
  const settled = (): void => {
    atWork -= 1;
    // Half of them together: waking for each would send them one by one.
    if (atWork <= atOnceMax / 2) wake?.();
  };
  try {
    for await (const value of values) {
      if (signal.aborted || failure !== undefined) break;
      atWork += 1;
      act(value).then(settled, (error: unknown) => {
        failure ??= { error };
        settled();
      });
      if (atWork < atOnceMax) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      wake = undefined;
    }
  } catch (error) {
    failure ??= { error };
  }
  while (atWork > 0) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  if (failure !== undefined) throw failure.error;
}

/** What `make` gives for each value, in their order, though up to `atOnceMax` are made at a time. */
export async function* mapAtOnce<Value, Made>(
  values: AsyncIterable<Value>,
  atOnceMax: number,
  make: (value: Value) => Promise<Made>,
): AsyncGenerator<Made, void, void> {
  const underWay: Promise<Made>[] = [];
  for await (const value of values) {
    const made = make(value);
    // It is awaited below, unless the caller has left or an earlier one has failed.
    made.catch(() => undefined);
    underWay.push(made);
    if (underWay.length < atOnceMax) continue;
    const first = underWay.shift();
    if (first !== undefined) yield await first;
  }
  for (const made of underWay) yield await made;
}
