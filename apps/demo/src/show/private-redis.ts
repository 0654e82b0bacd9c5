/**
 * The demo's own Redis, never the operator's: the demo empties it. When an earlier demo was killed, its server is
 * taken over; when another demo is at work, this one does not begin.
 */
import { BatonError } from "@baton/core";
import { type RedisHandle, startRedis } from "@baton/redis-embedded";

export interface PrivateRedisOptions {
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: (line: string) => void;
}

export async function startPrivateRedis(
  { dataDir, env, log }: PrivateRedisOptions,
  signal: AbortSignal,
): Promise<RedisHandle> {
  const redis = await startRedis({ dataDir, env: { ...env, BATON_REDIS_URL: undefined }, log, signal });
  if (redis.kind !== "attached") return redis;
  throw new BatonError(
    "conflict",
    `${dataDir} is in use, maybe by another demo: wait for its end, or set BATON_DATA_DIR to another folder`,
  );
}
