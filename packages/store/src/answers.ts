/** Whether Redis answers. Commands wait as long as it is away; whoever asks here is not kept waiting. */
export interface Pinged {
  ping(): Promise<unknown>;
}

/** Undefined when Redis can be used; else why not, in few words. */
export async function whyUnusable(redis: Pinged, withinMs: number): Promise<string | undefined> {
  const away = "redis does not answer";
  const { promise: late, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve(away), withinMs);
  const pong = redis.ping().then(
    () => undefined,
    (error: unknown) => (isDiskRefusal(error) ? "redis cannot write to its disk" : away),
  );
  try {
    return await Promise.race([pong, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A Redis whose disk is full or broken refuses whatever writes, and PINGs. */
export function isDiskRefusal(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("MISCONF");
}
