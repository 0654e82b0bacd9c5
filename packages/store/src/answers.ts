/** Whether Redis answers. Commands wait as long as it is away; whoever asks here is not kept waiting. */
export async function answers(redis: { ping(): Promise<unknown> }, withinMs: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), withinMs);
  const pong = redis.ping().then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([pong, late]);
  } finally {
    clearTimeout(timer);
  }
}
