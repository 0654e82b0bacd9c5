/**
 * What the reconciler healed, for people and meters: counts for ever, the last thousand one by one, and when the
 * last pass was. It is written by the leader and read by anybody.
 */
import { type ModelId, modelIdSchema, type RunId, runIdSchema } from "@baton/core";
import type { Redis } from "ioredis";
import { z } from "zod";
import { reconcilerKeys } from "./keys.ts";

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

export async function writePass(redis: Redis, note: PassNote, healed: readonly Healed[]): Promise<void> {
  const keys = reconcilerKeys(0);
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

export async function readHealth(redis: Redis, options: { readonly latest?: number } = {}): Promise<Health> {
  const keys = reconcilerKeys(0);
  const [leader, pass, counts, entries, [seconds = 0, micros = 0]] = await Promise.all([
    redis.get(keys.leader),
    redis.hgetall(keys.reconciler),
    redis.hgetall(keys.healed),
    redis.xrevrange(keys.heals, "+", "-", "COUNT", options.latest ?? 20),
    redis.time(),
  ]);
  const now = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
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
