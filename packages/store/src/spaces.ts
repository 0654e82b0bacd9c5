/**
 * What the runs of a namespace share: an index of their own and what they spent. The hash of a namespace holds `tokens`,
 * `cost` (nano-USD) and `unpriced` (replies whose price was not known). It stays when the last run is gone, because a
 * budget for all that a namespace ever does is held against it; it goes with `dropSpace` alone. On several shards each has
 * a hash of its own, and they are summed.
 */
import { BatonError } from "@baton/core";
import { BATCH_GROUPS, type BatchGroup } from "./batch-page.ts";
import { countGroups } from "./count-groups.ts";
import { spaceKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import type { RunScript } from "./scripts.ts";
import { onShards } from "./shards.ts";

/** Small letters, digits, `.`, `_` and `-`: it stands in keys, and before the ids of its batches. */
export const NAMESPACE = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** How many runs of a namespace there are; queued and running ones are one group, `live`. */
export type SpaceCounts = Readonly<Record<BatchGroup, number>>;

export interface SpaceUsage {
  readonly tokens: number;
  /** Of the replies whose price was known. */
  readonly costUsd: number;
  readonly unpricedReplies: number;
}

/** Throws `invalid_spec` for what no namespace can be called. */
export function checkNamespace(namespace: string): void {
  if (NAMESPACE.test(namespace)) return;
  throw new BatonError(
    "invalid_spec",
    "a namespace has 1 to 64 small letters, digits, dots, dashes, underscores, a letter or digit first",
  );
}

/** The index of a namespace's runs in a shard. */
export function spaceRunsKey(shard: number, namespace: string): string {
  return `${spaceKey(shard, namespace)}:runs`;
}

/** The list of a namespace's batches in a shard. */
export function spaceBatchesKey(shard: number, namespace: string): string {
  return `${spaceKey(shard, namespace)}:batches`;
}

/** Where room is set aside for runs of a namespace, in shard 0 for all of them. */
export function spaceRoomKey(namespace: string): string {
  return `${spaceKey(0, namespace)}:room`;
}

export async function countSpace(run: RunScript, shards: number, namespace: string): Promise<SpaceCounts> {
  checkNamespace(namespace);
  const parts = await onShards(shards, (shard) =>
    countGroups(run, spaceRunsKey(shard, namespace), BATCH_GROUPS),
  );
  const sum = (group: BatchGroup): number =>
    parts.reduce((total, part) => total + (part[BATCH_GROUPS.indexOf(group)] ?? 0), 0);
  return {
    live: sum("live"),
    waiting: sum("waiting"),
    succeeded: sum("succeeded"),
    failed: sum("failed"),
    cancelled: sum("cancelled"),
  };
}

export async function readSpaceUsage(
  redis: RedisClient,
  shards: number,
  namespace: string,
): Promise<SpaceUsage> {
  checkNamespace(namespace);
  const parts = await onShards(shards, (shard) =>
    redis.hmget(spaceKey(shard, namespace), "tokens", "cost", "unpriced"),
  );
  const sum = (place: number): number => parts.reduce((total, part) => total + Number(part[place] ?? 0), 0);
  return { tokens: sum(0), costUsd: sum(1) / 1e9, unpricedReplies: sum(2) };
}

/** All namespaces that have runs or spent something, sorted. */
export async function listNamespaces(redis: RedisClient, shards: number): Promise<readonly string[]> {
  const parts = await onShards(shards, (shard) => redis.smembers(spaceKeys(shard).namespaces));
  return [...new Set(parts.flat())].sort();
}

/** Forgets what a namespace spent. Says false, and forgets nothing there, on shards where it has runs. */
export async function dropSpace(run: RunScript, shards: number, namespace: string): Promise<boolean> {
  checkNamespace(namespace);
  const replies = await onShards(shards, (shard) => callSpace(run, shard, namespace, "drop"));
  return replies.every((gone) => gone);
}

/** Takes a namespace out of the list of a shard when it has no runs there and spent nothing. */
export async function sweepSpace(run: RunScript, shard: number, namespace: string): Promise<void> {
  await callSpace(run, shard, namespace, "sweep");
}

async function callSpace(
  run: RunScript,
  shard: number,
  namespace: string,
  how: "sweep" | "drop",
): Promise<boolean> {
  const keys = [spaceKey(shard, namespace), spaceRunsKey(shard, namespace), spaceKeys(shard).namespaces];
  const [reply] = await run("space", keys, [namespace, how]);
  return reply === "gone";
}

function spaceKey(shard: number, namespace: string): string {
  return spaceKeys(shard).spacePrefix + namespace;
}
