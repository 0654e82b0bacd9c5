/** Who is there: the pools that runs were ever sent to, and the workers that beat. */
import { type ModelId, modelIdSchema } from "@baton/core";
import type { Redis } from "ioredis";
import { z } from "zod";
import type { WorkerBeat } from "./beat.ts";
import { shardKeys } from "./keys.ts";

/** A worker that was silent for so long is taken for dead. */
export const WORKER_SILENCE_MS_MAX = 5_000;
const FORGOTTEN_AFTER_MS = 3_600_000;

const beatSchema = z.object({
  host: z.string(),
  pid: z.number(),
  version: z.string(),
  patterns: z.array(z.string()),
  pools: z.array(z.string()),
  concurrency: z.number(),
  active: z.number(),
});

export interface LiveWorker extends WorkerBeat {
  readonly seenAt: number;
}

/** Every pool that a run was ever sent to, sorted. */
export async function listPools(redis: Redis): Promise<readonly ModelId[]> {
  const members = await redis.smembers(shardKeys(0).pools);
  return members.map((member) => modelIdSchema.parse(member)).sort();
}

/** Workers that beat within the last seconds of Redis' own clock; long-silent ones are forgotten on the way. */
export async function listWorkers(redis: Redis): Promise<readonly LiveWorker[]> {
  const [[seconds = 0, micros = 0], entries] = await Promise.all([
    redis.time(),
    redis.hgetall(shardKeys(0).workers),
  ]);
  const now = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  const live: LiveWorker[] = [];
  const forgotten: string[] = [];
  for (const [workerId, text] of Object.entries(entries)) {
    const space = text.indexOf(" ");
    const seenAt = Number(text.slice(0, space));
    if (now - seenAt > FORGOTTEN_AFTER_MS) forgotten.push(workerId);
    if (now - seenAt > WORKER_SILENCE_MS_MAX) continue;
    live.push({ workerId, seenAt, ...beatSchema.parse(JSON.parse(text.slice(space + 1))) });
  }
  if (forgotten.length > 0) await redis.hdel(shardKeys(0).workers, ...forgotten);
  return live;
}

export async function removeWorker(redis: Redis, workerId: string): Promise<void> {
  await redis.hdel(shardKeys(0).workers, workerId);
}

/** Runs that each pool has by the ledger: queued and running. */
export async function readBacklog(redis: Redis): Promise<ReadonlyMap<ModelId, number>> {
  const entries = await redis.hgetall(shardKeys(0).backlog);
  return new Map(Object.entries(entries).map(([pool, count]) => [modelIdSchema.parse(pool), Number(count)]));
}
