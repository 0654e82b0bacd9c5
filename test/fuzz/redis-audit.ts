/** Whether Redis holds what was accepted and nothing else: each key belongs to a run, a batch, a pool, or to the store. */
import { Redis } from "ioredis";

export interface RedisAudit {
  readonly runs: ReadonlySet<string>;
  readonly keys: number;
  /** Keys that belong to nothing that is there. */
  readonly strays: readonly string[];
}

const STORE_KEYS: ReadonlySet<string> = new Set(
  [
    ...[
      "status",
      "running",
      "live",
      "backlog",
      "pools",
      "deadlines",
      "expiries",
      "holds",
      "settings",
      "reconciler",
    ],
    ...[
      "workers",
      "api-keys",
      "feed",
      "leader",
      "healed",
      "heals",
      "shards",
      "namespaces",
      "batches",
      "limits",
    ],
    ...["admission", "begun", "later", "encryption"],
  ].map((name) => `{baton}:${name}`),
);
const RUN = /^\{baton\}:run:(r_\d+_[0-9A-Z]{26})(?::(?:spec|needs|log|phases|events))?$/;
const JOB = /^\{baton\}:q:.+:(r_\d+_[0-9A-Z]{26})-\d+(?::lock)?$/;
/** Of a batch, a pool, a namespace, an account, or an API key: bounded by how many there are of these. */
const SHARED =
  /^\{baton\}:(?:(?:batch|space|limit|limit-calls|requests|admit|flows|asleep|fair|fed):.+|q:.+:(?:meta|events|wait|active|delayed|prioritized|completed|failed|stalled|stalled-check|marker|pc|id|limiter|paused))$/;
const IDEMPOTENCY = /^\{baton\}:idem:[\w-]+$/;

export async function auditRedis(url: string): Promise<RedisAudit> {
  const redis = new Redis(url);
  try {
    const keys = await Array.fromAsync(redis.scanStream({ count: 1_000 }), (some: readonly string[]) => some);
    const all = [...new Set(keys.flat())];
    const runs = new Set(
      all.flatMap((key) => (/:run:r_\d+_[0-9A-Z]{26}$/.test(key) ? [RUN.exec(key)?.[1] ?? ""] : [])),
    );
    const idempotent = all.filter((key) => IDEMPOTENCY.test(key));
    const owners = idempotent.length === 0 ? [] : await redis.mget(idempotent);
    const isLost = (id: string | undefined): boolean => id === undefined || !runs.has(id);
    const strays = all.filter((key) => {
      const owner = RUN.exec(key)?.[1] ?? JOB.exec(key)?.[1];
      if (owner !== undefined) return isLost(owner);
      if (IDEMPOTENCY.test(key)) return isLost(owners[idempotent.indexOf(key)]?.split(" ", 1)[0]);
      return !STORE_KEYS.has(key) && !SHARED.test(key);
    });
    return { runs, keys: all.length, strays };
  } finally {
    redis.disconnect();
  }
}

/** Runs that a worker has at the moment. */
export async function runningRuns(redis: Redis): Promise<number> {
  return redis.zcard("{baton}:running");
}
