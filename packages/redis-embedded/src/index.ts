export { defaultCacheDir } from "./cache-dir.ts";
export type { RedisHandle, RedisKind, StartRedisOptions } from "./redis-handle.ts";
export { startRedis } from "./start-redis.ts";
