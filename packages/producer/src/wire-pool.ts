/**
 * Pools and workers on the wire: JSON in snake_case. Each has its way back, so that a program that has only the HTTP API
 * sees what one that has Redis does.
 */
import { modelIdSchema } from "@baton/core";
import type { LiveWorker, PoolSettings, PoolSettingsPatch } from "@baton/store";
import { z } from "zod";
import type { PoolView } from "./pool-views.ts";

const count = z.int().min(0);
const SETTING_MAX = 1_000_000_000_000;
const setting = z.int().min(1).max(SETTING_MAX);

export const wirePoolSettingsSchema = z.object({
  concurrency: setting.optional().describe("Its places in each worker process."),
  max_active: setting.optional().describe("Its phases at work at once, in all processes together."),
  rpm: setting.optional().describe("Model calls a minute."),
  tpm: setting.optional().describe("Tokens a minute."),
});
export type WirePoolSettings = z.infer<typeof wirePoolSettingsSchema>;

/** null clears a setting; what is absent stays. */
export const wirePoolPatchSchema = z
  .strictObject({
    concurrency: setting.nullish().describe("Its places in each worker process."),
    max_active: setting.nullish().describe("Its phases at work at once, in all processes together."),
    rpm: setting.nullish().describe("Model calls a minute."),
    tpm: setting.nullish().describe("Tokens a minute."),
  })
  .refine(
    (patch) => Object.values(patch).some((value) => value !== undefined),
    "give at least one of concurrency, max_active, rpm, tpm",
  );

export const wirePoolSchema = z.object({
  model: modelIdSchema,
  backlog: count.describe("Queue entries that could be taken now, and those at work."),
  admission: count.describe("Runs of batches that wait for a queue entry."),
  delayed: count.describe("Queue entries whose time has not come."),
  oldest_wait_ms: z.number().min(0),
  active: count.describe("Phases at work."),
  workers: count.describe("Live workers that serve it."),
  failing: count.default(0).describe("Those among them whose claims Redis refuses: their logs say why."),
  places: count.describe("How many of its phases they can have at work at once."),
  ended_last_minute: count.describe("Phases that ended in the last minute."),
  headroom: z
    .object({ requests: z.number().nullable(), tokens: z.number().nullable() })
    .describe("What is left of the provider's limits for this minute; null where there is none."),
  held: z
    .discriminatedUnion("kind", [
      z.object({ kind: z.literal("paused") }),
      z.object({ kind: z.literal("rate_limited"), ms: z.number() }),
    ])
    .nullable()
    .describe(
      "What keeps phases from starting: a person, or the provider's rate limit for so many milliseconds.",
    ),
  settings: wirePoolSettingsSchema.describe(
    "What was set live; what is absent is as the configuration says.",
  ),
});
export type WirePool = z.infer<typeof wirePoolSchema>;

const byPool = z.record(z.string(), z.number());

export const wireWorkerSchema = z.object({
  id: z.string(),
  host: z.string(),
  pid: z.int(),
  version: z.string(),
  patterns: z.array(z.string()).describe("The models that it serves: ids, or prefixes with * at their end."),
  pools: z.array(z.string()).describe("The pools that it has opened."),
  refused: z.array(z.string()).describe("Pools that it cannot serve, though a pattern takes them."),
  concurrency: count.describe("Its places, which all its pools share."),
  active: count,
  active_by_pool: byPool,
  caps: byPool.describe("Places that single pools may take of its own."),
  ended_by_pool: byPool.describe("Phases that ended in the last minute."),
  failing_by_pool: byPool
    .default({})
    .describe(
      "Claims in a row that Redis refused to it: it serves no run of these pools, and its log says why.",
    ),
  seen_at: z.iso.datetime(),
});
export type WireWorker = z.infer<typeof wireWorkerSchema>;

export function wirePool({
  pool,
  oldestWaitMs,
  endedLastMinute,
  held,
  settings,
  ...rest
}: PoolView): WirePool {
  return {
    model: pool,
    ...rest,
    oldest_wait_ms: oldestWaitMs,
    ended_last_minute: endedLastMinute,
    held: held ?? null,
    settings: wireSettings(settings),
  };
}

export function poolOfWire(wire: WirePool): PoolView {
  const { model, oldest_wait_ms, ended_last_minute, held, settings, ...rest } = wire;
  const { max_active: maxActive, ...same } = settings;
  return {
    ...rest,
    pool: model,
    oldestWaitMs: oldest_wait_ms,
    endedLastMinute: ended_last_minute,
    held: held ?? undefined,
    settings: maxActive === undefined ? same : { ...same, maxActive },
  };
}

export function poolPatchOfWire({
  max_active: maxActive,
  ...same
}: z.infer<typeof wirePoolPatchSchema>): PoolSettingsPatch {
  return { ...same, maxActive };
}

export function wireWorker(worker: LiveWorker): WireWorker {
  return {
    id: worker.workerId,
    host: worker.host,
    pid: worker.pid,
    version: worker.version,
    patterns: [...worker.patterns],
    pools: [...worker.pools],
    refused: [...worker.refused],
    concurrency: worker.concurrency,
    active: worker.active,
    active_by_pool: worker.activeByPool,
    caps: worker.caps,
    ended_by_pool: worker.endedByPool,
    failing_by_pool: worker.failingByPool,
    seen_at: new Date(worker.seenAt).toISOString(),
  };
}

export function workerOfWire(wire: WireWorker): LiveWorker {
  return {
    workerId: wire.id,
    host: wire.host,
    pid: wire.pid,
    version: wire.version,
    patterns: wire.patterns,
    pools: wire.pools,
    refused: wire.refused,
    concurrency: wire.concurrency,
    active: wire.active,
    activeByPool: wire.active_by_pool,
    caps: wire.caps,
    endedByPool: wire.ended_by_pool,
    failingByPool: wire.failing_by_pool,
    seenAt: Date.parse(wire.seen_at),
  };
}

function wireSettings({ maxActive, ...same }: PoolSettings): WirePoolSettings {
  return maxActive === undefined ? same : { ...same, max_active: maxActive };
}
