/**
 * All that Redis holds of the ledger, as one value that two moments can be compared by. Left out is what differs
 * from one sending to the next by design: ids of stream entries, times of writing, signs of life, BullMQ's keys.
 */

import { reconcilerKeys, settingsKey, shardKeys } from "../keys.ts";
import type { RedisClient } from "../redis-client.ts";

export type Dump = Readonly<Record<string, unknown>>;

export async function dumpRedis(redis: RedisClient): Promise<Dump> {
  const shared = shardKeys(0);
  const signs = [shared.workers, reconcilerKeys(0).reconciler];
  const keys = (await redis.keys("*")).filter(
    (key) => !signs.includes(key) && !key.startsWith(`${shared.bullmqPrefix}:`),
  );
  const dump: Record<string, unknown> = {};
  for (const key of keys.sort()) {
    const expires = (await redis.pttl(key)) >= 0;
    dump[key] = { expires, holds: await contentOf(redis, key) };
  }
  return dump;
}

async function contentOf(redis: RedisClient, key: string): Promise<unknown> {
  const type = await redis.type(key);
  switch (type) {
    case "string":
      return redis.get(key);
    case "list":
      return redis.lrange(key, 0, -1);
    case "set":
      return (await redis.smembers(key)).sort();
    case "zset":
      return redis.zrange(key, "0", "-1", "WITHSCORES");
    case "stream":
      return (await redis.xrange(key, "-", "+")).map(([, fields]) => fields);
    case "hash": {
      const { updated: _updated, rev, ...fields } = await redis.hgetall(key);
      return key === settingsKey() || rev === undefined ? fields : { ...fields, rev };
    }
    default:
      throw new Error(`the ledger has no keys of type ${type}: ${key}`);
  }
}
