/**
 * Live settings of pools, set by people while everything runs. One hash holds those of all pools (settings.lua); workers
 * hear of a change by their beat, at once. A setting that is absent leaves the configuration as it is.
 */
import { BatonError, describeIssues, type ModelId, modelIdSchema } from "@baton/core";
import { z } from "zod";
import { settingsKey, shardKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import type { RunScript } from "./scripts.ts";

const COUNT_MAX = 1_000_000_000_000;
const count = z.int().min(1).max(COUNT_MAX).optional();

export const poolSettingsSchema = z.strictObject({
  /** Places of the pool in each worker process, of those that the process has. */
  concurrency: count,
  /** Phases of the pool at work at once, in all processes together. */
  maxActive: count,
  /** Requests a minute. */
  rpm: count,
  /** Tokens a minute. */
  tpm: count,
});
export type PoolSettings = Readonly<z.infer<typeof poolSettingsSchema>>;

/** null clears a setting; what is absent stays. */
export type PoolSettingsPatch = { readonly [Name in keyof PoolSettings]: PoolSettings[Name] | null };

const patchSchema = z.strictObject({
  concurrency: count.nullable(),
  maxActive: count.nullable(),
  rpm: count.nullable(),
  tpm: count.nullable(),
});

/** Settings, and the revision by which one who knows them says so. */
export interface SettingsRevision {
  readonly rev: string;
  readonly settings: ReadonlyMap<ModelId, PoolSettings>;
}

/** Throws `invalid_config` for a value that no setting takes. */
export async function setPool(run: RunScript, pool: ModelId, patch: PoolSettingsPatch): Promise<void> {
  const parsed = patchSchema.safeParse(patch);
  if (!parsed.success) {
    const message = `the settings of ${pool} are not valid: ${describeIssues(parsed.error)}`;
    throw new BatonError("invalid_config", message, { cause: parsed.error });
  }
  const pairs = Object.entries(parsed.data).flatMap(([name, value]) =>
    value === undefined ? [] : [name, value === null ? "" : String(value)],
  );
  if (pairs.length === 0) return;
  await run("settings", [settingsKey(), shardKeys(0).control], [pool, ...pairs]);
}

/** The settings of each pool that has any. */
export async function readPoolSettings(
  redis: Pick<RedisClient, "hgetall">,
): Promise<SettingsRevision["settings"]> {
  return readSettingPairs(Object.entries(await redis.hgetall(settingsKey())).flat());
}

/**
 * Reads fields and values in turn, as the beat replies them. What it does not know, of a later version perhaps, it leaves
 * out: a beat must not fail because of it.
 */
export function readSettingPairs(pairs: readonly unknown[]): SettingsRevision["settings"] {
  const settings = new Map<ModelId, PoolSettings>();
  for (let place = 0; place + 1 < pairs.length; place += 2) {
    const [text, name = ""] = String(pairs[place]).split(" ");
    const pool = modelIdSchema.safeParse(text);
    if (!pool.success) continue;
    const one = { ...settings.get(pool.data), [name]: Number(pairs[place + 1]) };
    const parsed = poolSettingsSchema.safeParse(one);
    if (parsed.success) settings.set(pool.data, parsed.data);
  }
  return settings;
}
