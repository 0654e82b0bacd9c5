/** Waiting that an abort ends, and that a time ends where it is given. What was waited for goes on by itself. */

/** `late`: no answer came in time. */
export type InTime<Answer> =
  | { readonly kind: "answered"; readonly answer: Answer }
  | { readonly kind: "late" | "aborted" };

/** Throws what `answering` rejects with, as long as it is waited for. */
export async function answerInTime<Answer>(
  answering: Promise<Answer>,
  { signal, withinMs }: { readonly signal?: AbortSignal | undefined; readonly withinMs?: number | undefined },
): Promise<InTime<Answer>> {
  if (signal?.aborted) {
    answering.catch(() => undefined);
    return { kind: "aborted" };
  }
  const { promise: given, resolve: giveUp } = Promise.withResolvers<InTime<Answer>>();
  const abort = (): void => giveUp({ kind: "aborted" });
  signal?.addEventListener("abort", abort, { once: true });
  const timer = withinMs === undefined ? undefined : setTimeout(() => giveUp({ kind: "late" }), withinMs);
  try {
    return await Promise.race([answering.then((answer) => ({ kind: "answered", answer }) as const), given]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
