/**
 * What the reconciler healed, for people and meters: counts for ever, the last thousand one by one, and when the
 * last pass was. It is written by the leader and read by anybody.
 */
import { type ModelId, modelIdSchema, type RunId, runIdSchema } from "@baton/core";
import { z } from "zod";
import { reconcilerKeys } from "./keys.ts";
import { type RedisClient, timeAt } from "./redis-client.ts";
import { onShards } from "./shards.ts";

const HEAL_KINDS = ["entry_missing", "claim_lost", "deadline", "index", "backlog", "corrupt"] as const;

/**
 * `entry_missing`, `claim_lost`: a queued or a running run had no job and was queued again. `deadline`: it was failed
 * because its time was over. `index`, `backlog`: what lists and counts runs was out of step with them, and was set right.
 * `corrupt`: a record that cannot be read; nothing was done.
 */
export type HealKind = (typeof HEAL_KINDS)[number];

export interface Healed {
  readonly what: HealKind;
  readonly runId?: RunId | undefined;
  readonly pool?: ModelId | undefined;
  /** What was out of step, in short. */
  readonly detail?: string | undefined;
}

export interface Heal extends Healed {
  /** Redis' time, in milliseconds. */
  readonly at: number;
}

export interface Health {
  /** Who reconciles now; absent when nobody does. */
  readonly leader: { readonly id: string; readonly host: string | undefined } | undefined;
  readonly lastPass: { readonly at: number; readonly ms: number; readonly agoMs: number } | undefined;
  readonly healed: Readonly<Partial<Record<HealKind, number>>>;
  /** The latest first. */
  readonly latest: readonly Heal[];
}

const LISTED_MAX = 1_000;
/** A mass of heals is counted in full, and listed by its first ones. */
const LISTED_A_PASS_MAX = 200;

export interface PassNote {
  readonly id: string;
  readonly host: string;
  /** Redis' time at the pass. */
  readonly at: number;
  readonly ms: number;
}

export async function writePass(
  redis: RedisClient,
  note: PassNote,
  healed: readonly Healed[],
  shard = 0,
): Promise<void> {
  const keys = reconcilerKeys(shard);
  const counts = new Map<HealKind, number>();
  for (const { what } of healed) counts.set(what, (counts.get(what) ?? 0) + 1);
  await Promise.all([
    redis.hset(keys.reconciler, { ...note }),
    ...[...counts].map(([what, count]) => redis.hincrby(keys.healed, what, count)),
    ...healed
      .slice(0, LISTED_A_PASS_MAX)
      .map((one) =>
        redis.xadd(
          keys.heals,
          "MAXLEN",
          LISTED_MAX,
          "*",
          "what",
          one.what,
          "run",
          one.runId ?? "",
          "pool",
          one.pool ?? "",
          "detail",
          one.detail ?? "",
        ),
      ),
  ]);
}

const healSchema = z.object({
  what: z.enum(HEAL_KINDS),
  run: z.union([z.literal("").transform(() => undefined), runIdSchema]),
  pool: z.union([z.literal("").transform(() => undefined), modelIdSchema]),
  detail: z.string().transform((text) => text || undefined),
});
const countsSchema = z.partialRecord(z.enum(HEAL_KINDS), z.coerce.number());

/** Of all shards together: the pass is the oldest of their last ones, and somebody leads when each shard is led. */
export async function readHealth(
  redis: RedisClient,
  options: { readonly latest?: number; readonly shards?: number } = {},
): Promise<Health> {
  const { latest = 20, shards = 1 } = options;
  const parts = await onShards(shards, (shard) => healthOf(redis, shard, latest));
  const worst = parts.toSorted((a, b) => staleness(b) - staleness(a))[0];
  const healed: Partial<Record<HealKind, number>> = {};
  for (const part of parts) {
    for (const what of HEAL_KINDS) {
      const count = part.healed[what];
      if (count !== undefined) healed[what] = (healed[what] ?? 0) + count;
    }
  }
  const heals = parts.flatMap((part) => part.latest).toSorted((a, b) => b.at - a.at);
  return { leader: worst?.leader, lastPass: worst?.lastPass, healed, latest: heals.slice(0, latest) };
}

function staleness({ leader, lastPass }: Health): number {
  return leader === undefined ? Number.POSITIVE_INFINITY : (lastPass?.agoMs ?? Number.MAX_VALUE);
}

async function healthOf(redis: RedisClient, shard: number, latest: number): Promise<Health> {
  const keys = reconcilerKeys(shard);
  const [leader, pass, counts, entries, now] = await Promise.all([
    redis.get(keys.leader),
    redis.hgetall(keys.reconciler),
    redis.hgetall(keys.healed),
    redis.xrevrange(keys.heals, "+", "-", "COUNT", latest),
    timeAt(redis, keys.leader),
  ]);
  const at = Number(pass.at);
  return {
    leader: leader === null ? undefined : { id: leader, host: pass.id === leader ? pass.host : undefined },
    lastPass: pass.at === undefined ? undefined : { at, ms: Number(pass.ms), agoMs: Math.max(0, now - at) },
    healed: countsSchema.parse(counts),
    latest: entries.map(([id, fields]) => readHeal(id, fields)),
  };
}

function readHeal(id: string, fields: readonly string[]): Heal {
  const pairs: Record<string, string> = {};
  for (let place = 0; place < fields.length; place += 2) pairs[fields[place] ?? ""] = fields[place + 1] ?? "";
  const { what, run, pool, detail } = healSchema.parse(pairs);
  return { at: Number(id.slice(0, id.indexOf("-"))), what, runId: run, pool, detail };
}
