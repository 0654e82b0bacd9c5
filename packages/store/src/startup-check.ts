/** What a Redis must be for Baton: at least version 7, never evicting; and what is warned about. */
import { BatonError } from "@baton/core";
import type { Redis } from "ioredis";
import { isCluster, type RedisClient } from "./redis-client.ts";

export interface RedisFitness {
  readonly version: string;
  readonly persistence: "aof" | "aof-always" | "rdb" | "none" | "unknown";
  /** Sentences for the operator; empty when all is well. */
  readonly warnings: readonly string[];
}

/** What is asked of a connection. */
export type InfoSource = Pick<Redis, "info" | "config">;

/**
 * Checks each server that holds data: of a cluster all primaries. Refuses a Redis that would lose runs silently
 * (`redis_unfit`), and tells what is merely unwise.
 */
export async function checkRedis(redis: RedisClient | InfoSource): Promise<RedisFitness> {
  if (!("isCluster" in redis) || !isCluster(redis)) return checkServer(redis);
  const fitnesses = await Promise.all(redis.nodes("master").map(checkNode));
  const [first] = fitnesses;
  if (first === undefined) throw new BatonError("redis_unreachable", "the Redis Cluster has no primaries");
  const oldest = fitnesses.toSorted((a, b) => a.version.localeCompare(b.version, "en", { numeric: true }))[0];
  const ranks = PERSISTENCE_WORST_FIRST;
  const weakest = fitnesses.toSorted(
    (a, b) => ranks.indexOf(a.persistence) - ranks.indexOf(b.persistence),
  )[0];
  return {
    version: oldest?.version ?? first.version,
    persistence: weakest?.persistence ?? first.persistence,
    warnings: [...new Set(fitnesses.flatMap(({ warnings }) => warnings))],
  };
}

const PERSISTENCE_WORST_FIRST: readonly RedisFitness["persistence"][] = [
  "none",
  "rdb",
  "unknown",
  "aof",
  "aof-always",
];

async function checkNode(server: Redis): Promise<RedisFitness> {
  const { host, port } = server.options;
  try {
    return await checkServer(server);
  } catch (error) {
    if (!(error instanceof BatonError)) throw error;
    throw new BatonError(error.code, `${host}:${port}: ${error.message}`, { cause: error });
  }
}

async function checkServer(redis: InfoSource): Promise<RedisFitness> {
  const info = parseInfo(await redis.info());
  const version = info.get("valkey_version") ?? info.get("redis_version") ?? "0";
  const compatible = Number.parseInt(info.get("redis_version") ?? "0", 10);
  if (compatible < 7) {
    throw new BatonError(
      "redis_unfit",
      `Redis ${version} is too old: Baton needs Redis 7 or Valkey, or newer`,
    );
  }
  if (info.get("role") === "slave") {
    throw new BatonError(
      "redis_unfit",
      "this Redis is a replica and takes no writes: give the address of its primary, or of the sentinels or the cluster",
    );
  }
  const eviction = info.get("maxmemory_policy") ?? "noeviction";
  if (eviction !== "noeviction") {
    throw new BatonError(
      "redis_unfit",
      `Redis evicts keys when its memory is full (maxmemory-policy ${eviction}) and would lose runs: set maxmemory-policy noeviction`,
    );
  }
  const warnings: string[] = [];
  const aof = info.get("aof_enabled") === "1";
  if (!aof) {
    warnings.push(
      "Redis keeps no append-only file: a crash of Redis loses what came after its last snapshot. Set appendonly yes.",
    );
  }
  if (info.get("aof_last_write_status") === "err") {
    warnings.push("Redis cannot write its append-only file; look at its disk and its log.");
  }
  return { version, persistence: await persistenceOf(redis, aof), warnings };
}

async function persistenceOf(redis: InfoSource, aof: boolean): Promise<RedisFitness["persistence"]> {
  try {
    // The reply holds the setting's name and its value.
    const reply = Object.values(await redis.config("GET", aof ? "appendfsync" : "save"));
    const value = String(reply.at(-1) ?? "");
    if (aof) return value === "always" ? "aof-always" : "aof";
    return value === "" ? "none" : "rdb";
  } catch {
    // Managed services forbid CONFIG; that the file is on is known all the same.
    return aof ? "aof" : "unknown";
  }
}

function parseInfo(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}
