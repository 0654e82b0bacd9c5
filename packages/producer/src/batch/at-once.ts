/** Many things at once, with a bound on how many. */

/** Of what is at work together; one alone may be heavier. */
export interface WeightBound<Value> {
  readonly max: number;
  readonly of: (value: Value) => number;
}

/**
 * Does `act` to each value, at most `atOnceMax` at a time, and no further one while those weigh more than they may. What has
 * begun is waited for, also when one fails or the values do: that error is thrown then. After an abort nothing more begins.
 */
export async function forEachAtOnce<Value>(
  values: AsyncIterable<Value>,
  atOnceMax: number,
  act: (value: Value) => Promise<void>,
  signal: AbortSignal,
  weight: WeightBound<Value> = { max: 1, of: () => 0 },
): Promise<void> {
  let atWork = 0;
  let weighs = 0;
  let failure: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;
  const settled = (own: number): void => {
    atWork -= 1;
    weighs -= own;
    // Half of them together: waking for each would send them one by one.
    if (atWork <= atOnceMax / 2 && weighs <= weight.max / 2) wake?.();
  };
  try {
    for await (const value of values) {
      if (signal.aborted || failure !== undefined) break;
      const own = weight.of(value);
      atWork += 1;
      weighs += own;
      act(value).then(
        () => settled(own),
        (error: unknown) => {
          failure ??= { error };
          settled(own);
        },
      );
      if (atWork < atOnceMax && weighs < weight.max) continue;
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

/**
 * What `make` gives for each value, in their order, though up to `atOnceMax` are made at a time. What is made comes out
 * at once, also while the next value lets itself be waited for.
 */
export async function* mapAtOnce<Value, Made>(
  values: AsyncIterable<Value>,
  atOnceMax: number,
  make: (value: Value) => Promise<Made>,
): AsyncGenerator<Made, void, void> {
  const source = values[Symbol.asyncIterator]();
  const underWay: Promise<Made>[] = [];
  let pulled: Promise<IteratorResult<Value, unknown>> | undefined;
  let isOver = false;
  try {
    while (!isOver || underWay.length > 0) {
      if (!isOver && underWay.length < atOnceMax) pulled ??= heard(source.next());
      const [first] = underWay;
      const next = await firstOf(pulled, first);
      if (next === undefined) {
        underWay.shift();
        if (first !== undefined) yield await first;
        continue;
      }
      pulled = undefined;
      if (next.done === true) isOver = true;
      else underWay.push(heard(make(next.value)));
    }
  } finally {
    // A value that is waited for comes when it comes: the caller who leaves does not wait for it.
    const left = isOver ? undefined : source.return?.();
    if (pulled === undefined) await left;
    else left?.catch(() => undefined);
  }
}

/** What was pulled when that is there, or undefined when the first of what is under way is. */
function firstOf<Pulled>(
  pulled: Promise<Pulled> | undefined,
  first: Promise<unknown> | undefined,
): Promise<Pulled | undefined> {
  const made = first?.then(
    () => undefined,
    () => undefined,
  );
  return Promise.race([pulled, made].filter((one) => one !== undefined));
}

/** It is awaited later, unless the caller has left or an earlier one has failed: then its error is nobody's. */
function heard<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => undefined);
  return promise;
}
