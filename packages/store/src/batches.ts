/**
 * What the runs of a batch share: an index of their own, a weight, a budget. The hash of a batch holds `created`, `opened`
 * (1 when it was opened as a whole), `weight`, `run_at`, `lines` (how many runs it has when all are in), `running`;
 * `tokens` and `cost` (nano-USD) as spent, `unpriced` (replies whose price was not known), `tokens_max` and `cost_max`
 * when it has a budget. It goes when the last of its runs is gone (on several shards a day later, so that none forgets
 * what was spent while another has runs), or after a week in which none came.
 *
 * On several shards each has a hash of its own: counters are summed, everything else is the same in all. What was spent
 * on the others is told to each from time to time (`tokens_elsewhere`, `cost_elsewhere`), so that a budget holds for all.
 */
import { BatonError, type Budget, type ModelId, modelIdSchema, type RunId, runIdSchema } from "@baton/core";
import { BATCH_GROUPS } from "./batch-page.ts";
import { countGroups } from "./count-groups.ts";
import { admissionKeys, shardKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import { nanoUsd } from "./run-record.ts";
import type { RunScript } from "./scripts.ts";
import { onShards } from "./shards.ts";

export interface Batch {
  readonly id: string;
  /** By Redis' clock, in milliseconds; undefined when there is no such batch. */
  readonly createdAt: number | undefined;
  /** How many runs it has when all of them are in; undefined until then. */
  readonly lines: number | undefined;
  /** It was opened as a whole, and not all of its runs are in. */
  readonly isOpen: boolean;
  /** Its share of each pool, beside 1 for another batch and 1 for all runs without a batch. */
  readonly weight: number;
  /** None of its runs starts before, in milliseconds; undefined when they start at once. */
  readonly runAt: number | undefined;
  readonly tokens: number;
  /** Of the replies whose price was known. */
  readonly costUsd: number;
  readonly unpricedReplies: number;
  readonly budget: Budget;
  /** Its budget is spent: what has not begun is held back until it is raised. */
  readonly isSpent: boolean;
}

export interface OpenBatch {
  readonly id: string;
  readonly weight?: number | undefined;
  readonly runAt?: number | undefined;
  readonly budget?: Budget | undefined;
}

/** What a batch's runs are doing, by status. `admission` of the queued ones wait for their admission to a queue. */
export interface BatchCounts {
  readonly queued: number;
  readonly running: number;
  readonly waiting: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
}

export interface BatchEnding {
  readonly id: RunId;
  /** What another call, maybe of another process, takes as `after` to go on behind it. */
  readonly place: string;
}

export interface BatchEndings {
  readonly ended: readonly BatchEnding[];
  /** Where to go on; undefined behind the last one that has ended so far. */
  readonly cursor: string;
}

/** How long a batch that has no run yet is kept. */
const WITHOUT_RUNS_MS = 7 * 86_400_000;

/** lua/feed.lua has the same bounds: beyond them the virtual times of a pool could not be told apart. */
const WEIGHT = { min: 0.001, max: 1_000 } as const;

/** How long one of several shards keeps a batch whose runs there are gone; while others have some it is renewed. */
export const KEPT_FOR_SHARDS_MS = 86_400_000;

/** Letters, digits, `.`, `_` and `-`, and no dot first: it stands in keys, in file names, and in the path of a URL. */
export const BATCH_ID = /^(?:[a-z0-9][a-z0-9._-]{0,63}\/)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/;

const FIELDS = [
  "created",
  "lines",
  "weight",
  "run_at",
  "tokens",
  "cost",
  "unpriced",
  "tokens_max",
  "cost_max",
  "opened",
] as const;

/** Opens a batch; one that was opened before stays as it is, and is not whole until it is sealed again. */
export async function openBatch(
  run: RunScript,
  shards: number,
  open: OpenBatch,
): Promise<"opened" | "known"> {
  const fields: string[] = ["weight", weightField(open.weight ?? 1)];
  if (open.runAt !== undefined) fields.push("run_at", String(open.runAt));
  fields.push(...budgetFields(open.budget ?? {}));
  return (await callAll(run, shards, open.id, "open", fields)) === "opened" ? "opened" : "known";
}

/** Says that all runs of the batch are in: how many there are. */
export async function sealBatch(run: RunScript, shards: number, id: string, lines: number): Promise<void> {
  await callAll(run, shards, id, "set", ["lines", String(lines)]);
}

export async function setBatchWeight(
  run: RunScript,
  shards: number,
  id: string,
  weight: number,
): Promise<void> {
  await callAll(run, shards, id, "set", ["weight", weightField(weight)]);
}

/** Sets the whole budget; what is left out has no bound. */
export async function setBatchBudget(
  run: RunScript,
  shards: number,
  id: string,
  budget: Budget,
): Promise<void> {
  await callAll(run, shards, id, "set", budgetFields(budget));
}

function budgetFields({ tokens, usd }: Budget): string[] {
  return ["tokens_max", String(tokens ?? ""), "cost_max", usd === undefined ? "" : nanoUsd(usd)];
}

/** Throws `invalid_spec` for a weight that is out of its bounds. */
export function checkBatchWeight(weight: number): void {
  if (weight >= WEIGHT.min && weight <= WEIGHT.max) return;
  throw new BatonError("invalid_spec", `a batch's weight is ${WEIGHT.min} to ${WEIGHT.max}, not ${weight}`);
}

function weightField(weight: number): string {
  checkBatchWeight(weight);
  return String(weight);
}

/** The first shard says when the batch was made, and the others say the same: its place in the list is that time. */
async function callAll(
  run: RunScript,
  shards: number,
  id: string,
  how: "open" | "set",
  fields: readonly string[],
): Promise<string> {
  const [reply, at] = await callBatch(run, 0, { id, how }, fields);
  const created = typeof at === "string" ? at : undefined;
  const others = Array.from({ length: shards - 1 }, (_, other) => other + 1);
  await Promise.all(others.map((shard) => callBatch(run, shard, { id, how, created }, fields)));
  return String(reply);
}

interface BatchCall {
  readonly id: string;
  readonly how: "open" | "set" | "sweep" | "renew";
  /** When the batch was made, if it is not now. */
  readonly created?: string | undefined;
  /** How long it is kept without runs. */
  readonly idleMs?: number;
}

function callBatch(run: RunScript, shard: number, call: BatchCall, fields: readonly string[] = []) {
  const { id, how, created = "", idleMs = WITHOUT_RUNS_MS } = call;
  const key = keyOf(shard, id);
  const keys = [key, `${key}:runs`, admissionKeys(shard).batches];
  return run("batch", keys, [id, how, String(idleMs), created, ...fields]);
}

/** Takes a batch whose hash is gone on a shard out of the list of that shard. */
export async function sweepBatch(run: RunScript, shard: number, id: string): Promise<void> {
  await callBatch(run, shard, { id, how: "sweep" });
}

/** Keeps what a batch spent on a shard that has no run of it any more. */
export async function renewBatch(run: RunScript, shard: number, id: string): Promise<void> {
  await callBatch(run, shard, { id, how: "renew", idleMs: KEPT_FOR_SHARDS_MS });
}

export async function readBatch(redis: RedisClient, shards: number, id: string): Promise<Batch> {
  const parts = await onShards(shards, (shard) => redis.hmget(keyOf(shard, id), ...FIELDS));
  const sum = (place: number): number => parts.reduce((total, part) => total + Number(part[place] ?? 0), 0);
  const first = (place: number): number | undefined => {
    const found = parts.map((part) => part[place]).find((value) => value !== null && value !== "");
    return found === undefined ? undefined : Number(found);
  };
  const [tokens, cost, tokensMax, costMax] = [sum(4), sum(5), first(7), first(8)];
  // A run that joins a batch makes it on its shard alone, so that a shard may have it later than another.
  const created = parts.flatMap(([at]) => (at ? [Number(at)] : []));
  return {
    id,
    createdAt: created.length === 0 ? undefined : Math.min(...created),
    lines: first(1),
    isOpen: first(9) !== undefined && first(1) === undefined,
    weight: Math.min(WEIGHT.max, Math.max(WEIGHT.min, first(2) ?? 1)),
    runAt: first(3),
    tokens,
    costUsd: cost / 1e9,
    unpricedReplies: sum(6),
    budget: {
      ...(tokensMax === undefined ? {} : { tokens: tokensMax }),
      ...(costMax === undefined ? {} : { usd: costMax / 1e9 }),
    },
    isSpent: (tokensMax !== undefined && tokens >= tokensMax) || (costMax !== undefined && cost >= costMax),
  };
}

/** How many runs of a batch there are by status. */
export async function countBatch(
  redis: RedisClient,
  run: RunScript,
  shards: number,
  id: string,
): Promise<BatchCounts> {
  const parts = await onShards(shards, async (shard) => {
    const key = keyOf(shard, id);
    const [running, counts] = await Promise.all([
      redis.hget(key, "running").then(Number),
      countGroups(run, `${key}:runs`, BATCH_GROUPS),
    ]);
    return [running, ...counts];
  });
  const sum = (place: number): number => parts.reduce((total, part) => total + (part[place] ?? 0), 0);
  const running = Math.min(sum(0), sum(1));
  return {
    queued: sum(1) - running,
    running,
    waiting: sum(2),
    succeeded: sum(3),
    failed: sum(4),
    cancelled: sum(5),
  };
}

/** How many runs of a batch are queued or running in each pool. */
export async function batchPools(
  redis: RedisClient,
  shards: number,
  id: string,
): Promise<ReadonlyMap<ModelId, number>> {
  const parts = await onShards(shards, (shard) => redis.hgetall(`${keyOf(shard, id)}:pools`));
  const pools = new Map<ModelId, number>();
  for (const [name, count] of parts.flatMap((part) => Object.entries(part))) {
    const pool = modelIdSchema.parse(name);
    pools.set(pool, (pools.get(pool) ?? 0) + Number(count));
  }
  return new Map([...pools].filter(([, count]) => count > 0).sort());
}

export interface EndingsPage {
  /** What the last call of this process gave. */
  readonly cursor?: string | undefined;
  /** Without a cursor: a place that any call gave. Runs that ended in the same millisecond may come again. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/**
 * Runs of a batch in the order in which they ended, from `cursor` or `after` on. One that is retried comes again when it
 * ends again. Throws `invalid_spec` for an `after` that is no place of this store.
 */
export async function batchEnded(
  redis: RedisClient,
  shards: number,
  id: string,
  page: EndingsPage,
): Promise<BatchEndings> {
  const before = page.cursor === undefined ? placesOf(page.after, shards) : parseCursor(page.cursor);
  const parts = await onShards(shards, async (shard) => {
    const from = before[shard] ?? { at: 0, ids: [] };
    // Those of the cursor's own millisecond are read again, and told apart by their ids.
    const limit = page.limit + from.ids.length;
    const flat = await redis.zrangebyscore(
      `${keyOf(shard, id)}:ended`,
      from.at,
      "+inf",
      "WITHSCORES",
      "LIMIT",
      0,
      limit,
    );
    const found: { readonly shard: number; readonly id: string; readonly at: number }[] = [];
    for (let place = 0; place + 1 < flat.length; place += 2) {
      const [member = "", at] = [flat[place], Number(flat[place + 1])];
      if (at > from.at || !from.ids.includes(member)) found.push({ shard, id: member, at });
    }
    return found;
  });
  const taken = parts
    .flat()
    .sort((a, b) => a.at - b.at || a.id.localeCompare(b.id))
    .slice(0, page.limit);
  const ended: BatchEnding[] = [];
  for (const { shard, id: member, at } of taken) {
    const known = before[shard];
    before[shard] =
      known !== undefined && known.at === at ? { at, ids: [...known.ids, member] } : { at, ids: [member] };
    ended.push({ id: runIdSchema.parse(member), place: placeText(before, member) });
  }
  return { ended, cursor: JSON.stringify(before) };
}

/** A place is short, so it names the last run alone of those that were given of each shard's last millisecond. */
function placeText(cursors: readonly ShardCursor[], id: string): string {
  return `${cursors.map(({ at }) => at.toString(36)).join(".")}~${id}`;
}

const PLACE = /^([0-9a-z]{1,9}(?:\.[0-9a-z]{1,9})*)~([A-Za-z0-9_]{1,64})$/;

function placesOf(text: string | undefined, shards: number): ShardCursor[] {
  if (text === undefined) return Array.from({ length: shards }, () => ({ at: 0, ids: [] }));
  const [, ats = "", id = ""] = PLACE.exec(text) ?? [];
  const cursors = ats.split(".").map((at) => ({ at: Number.parseInt(at, 36), ids: [id] }));
  if (ats !== "" && cursors.length === shards) return cursors;
  throw new BatonError("invalid_spec", "after is no cursor that the lines of this batch have in this order", {
    fields: { field: "after" },
  });
}

interface ShardCursor {
  readonly at: number;
  /** Those of that millisecond which were given already. */
  readonly ids: readonly string[];
}

function parseCursor(text: string): ShardCursor[] {
  // It is our own text, given back.
  return JSON.parse(text) as ShardCursor[];
}

function keyOf(shard: number, id: string): string {
  return shardKeys(shard).batchPrefix + id;
}
