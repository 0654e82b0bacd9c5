/** The client of a Redis of any form, and the way to the one server behind it that owns a key. */
import type { Cluster, Redis } from "ioredis";
import { slotOf } from "./slot-of.ts";

export type RedisClient = Redis | Cluster;

/**
 * The server that owns the slot of a key: the client itself, unless it is a cluster's. For what is asked of a server and
 * not of a key: its time, or a walk along its keys.
 */
export function serverOf(redis: RedisClient, key: string): Redis {
  if (!isCluster(redis)) return redis;
  const [owner] = redis.slots[slotOf(key)] ?? [];
  const primaries = redis.nodes("master");
  const found = primaries.find(({ options: { host, port } }) => `${host}:${port}` === owner);
  // A slot that moves has its next owner in a moment; another primary's reply is as good as none.
  const any = found ?? primaries[0];
  if (any === undefined) throw new Error("Connection is closed.");
  return any;
}

/** The time of the server that owns a key, in milliseconds: what a script of that key would see. */
export async function timeAt(redis: RedisClient, key: string): Promise<number> {
  const [seconds = 0, micros = 0] = await serverOf(redis, key).time();
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}

export function isCluster(redis: RedisClient): redis is Cluster {
  return redis.isCluster;
}
