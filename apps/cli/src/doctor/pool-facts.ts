/** Asks the store who works, what waits, and for what. Reads alone; lists are bounded, and say so. */
import { setTimeout as delay } from "node:timers/promises";
import { BatonError, type ModelId, type Run, type RunId, runIdSchema } from "@baton/core";
import {
  type Cipher,
  createLedger,
  type Health,
  isFaultOfRecord,
  type Ledger,
  type LiveWorker,
  listWorkers,
  readBacklog,
  readHealth,
  readShards,
  shardKeys,
} from "@baton/store";
import type { Connection } from "./redis-facts.ts";

export interface PoolFacts {
  readonly now: number;
  readonly workers: readonly LiveWorker[];
  /** Pool → runs that are queued or running. */
  readonly backlog: ReadonlyMap<ModelId, number>;
  /** Pool → milliseconds for which it is held; a paused one for ever. */
  readonly holds: ReadonlyMap<ModelId, number>;
  readonly queued: number;
  readonly running: number;
  readonly waiting: number;
  /** Of the waiting runs that were looked at. */
  readonly reasons: ReadonlyMap<string, number>;
  /** Those queued for longest, of which `LOOKED_AT_MAX` are looked at. */
  readonly oldest: readonly QueuedRun[];
  readonly health: Health;
  /** Runs whose records cannot be read now. */
  readonly corrupt: readonly RunId[];
}

export interface QueuedRun {
  readonly id: RunId;
  readonly pool: ModelId;
  /** Since its last change. */
  readonly waitsMs: number;
  readonly notBefore: number | undefined;
  /** What no worker that looked at it had. */
  readonly missing: readonly string[];
}

const LOOKED_AT_MAX = 100;
/** A pass is due each second. */
export const PASS_AGE_MS_MAX = 10_000;
const LOOKS_MAX = 16;
const LOOK_EVERY_MS = 250;

export async function gatherPools(redis: Connection, cipher: Cipher | undefined): Promise<PoolFacts> {
  const shards = await readShards(redis);
  const ledger = createLedger(redis, { retentionMs: 0, shards, cipher });
  const [[seconds = 0], workers, backlog, holds, queued, running, waiting, members, waits] =
    await Promise.all([
      redis.time(),
      listWorkers(redis),
      readBacklog(redis, shards),
      ledger.holds(),
      ledger.count("queued"),
      ledger.count("running"),
      ledger.count("waiting"),
      oldestLive(redis, shards),
      ledger.list("waiting", { limit: LOOKED_AT_MAX }),
    ]);
  const now = Number(seconds) * 1_000;
  const health = await freshHealth(redis, shards, workers.length);
  const suspects = health.latest.flatMap(({ what, runId }) =>
    what === "corrupt" && runId !== undefined ? [runId] : [],
  );
  const ids = members.flatMap((member) => runIdSchema.safeParse(member).data ?? []);
  const [inQueue, atRest, told] = await Promise.all([
    readRuns(ledger, ids),
    readRuns(ledger, waits),
    readRuns(ledger, suspects),
  ]);
  const reasons = new Map<string, number>();
  for (const run of atRest.runs) {
    if (run.status === "waiting") reasons.set(run.reason, (reasons.get(run.reason) ?? 0) + 1);
  }
  const corrupt = [...new Set([...inQueue.corrupt, ...atRest.corrupt, ...told.corrupt])];
  const oldest = inQueue.runs.flatMap((run) => queuedRun(run, now));
  return { now, workers, backlog, holds, queued, running, waiting, reasons, oldest, health, corrupt };
}

/** Those of all shards that have waited for longest, or nearly: each shard gives its part. */
async function oldestLive(redis: Connection, shards: number): Promise<readonly string[]> {
  const last = Math.ceil(LOOKED_AT_MAX / shards) - 1;
  const each = Array.from({ length: shards }, (_, shard) =>
    redis.zrange(shardKeys(shard).live, "0", String(last)),
  );
  return (await Promise.all(each)).flat();
}

/**
 * A worker that has just come reconciles after a second or two: an old pass is looked at again before it is taken for
 * the truth.
 */
async function freshHealth(redis: Connection, shards: number, liveWorkers: number): Promise<Health> {
  for (let look = 1; ; look += 1) {
    const health = await readHealth(redis, { shards });
    const isFresh = health.lastPass !== undefined && health.lastPass.agoMs <= PASS_AGE_MS_MAX;
    if (isFresh || liveWorkers === 0 || look === LOOKS_MAX) return health;
    await delay(LOOK_EVERY_MS);
  }
}

function queuedRun(run: Run, now: number): readonly QueuedRun[] {
  if (run.status !== "queued") return [];
  const waitsMs = Math.max(0, now - run.updatedAt);
  const { id, model: pool, notBefore, missing = [] } = run;
  return [{ id, pool, waitsMs, notBefore, missing }];
}

async function readRuns(ledger: Ledger, ids: readonly RunId[]) {
  const runs: Run[] = [];
  const corrupt: RunId[] = [];
  await Promise.all(
    ids.map(async (id) => {
      try {
        const found = await ledger.read(id);
        if (found !== undefined) runs.push(found.run);
      } catch (error) {
        // Of keys that are missing here another line tells.
        if (error instanceof BatonError && error.code === "encryption_key_missing") return;
        // What Redis itself refuses to do is no fault of the record.
        if (!isFaultOfRecord(error)) throw error;
        corrupt.push(id);
      }
    }),
  );
  return { runs, corrupt };
}
