/**
 * The list of batches, newest first, over all shards. A batch is on each shard that has runs of it, and may have come there
 * later than to the others: its place is the earliest time that a shard knows, and among those of one time its id. So each
 * has one place, and a page goes on right behind the one before it.
 */
import { admissionKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import { onShards } from "./shards.ts";
import { spaceBatchesKey } from "./spaces.ts";

export interface BatchPlace {
  readonly id: string;
  /** Its `createdAt`. */
  readonly at: number;
}

export interface BatchListPage {
  readonly from: number;
  readonly limit: number;
  /** Only batches of this namespace. */
  readonly namespace?: string | undefined;
  /** Only batches behind this one. */
  readonly before?: BatchPlace | undefined;
}

/** Ids of batches, newest first, from place `from` on. */
export async function listBatches(
  redis: RedisClient,
  shards: number,
  page: BatchListPage,
): Promise<readonly string[]> {
  const { from, limit, namespace } = page;
  const keys = Array.from({ length: shards }, (_, shard) =>
    namespace === undefined ? admissionKeys(shard).batches : spaceBatchesKey(shard, namespace),
  );
  const before = page.before && (await placeNow(redis, keys, page.before));
  const parts = await onShards(shards, (shard) =>
    newestOf(redis, keys, shard, { before, count: from + limit }),
  );
  const places = new Map(parts.flat().map((place) => [place.id, place]));
  return [...places.values()]
    .sort(newestFirst)
    .slice(from, from + limit)
    .map(({ id }) => id);
}

/** The first `count` of a shard behind `before`, of those that have their place by it. */
async function newestOf(
  redis: RedisClient,
  keys: readonly string[],
  shard: number,
  { before, count }: { readonly before: BatchPlace | undefined; readonly count: number },
): Promise<readonly BatchPlace[]> {
  const found: BatchPlace[] = [];
  for (let offset = 0; found.length < count; offset += count) {
    const from = before?.at ?? "+inf";
    const page = [keys[shard] ?? "", from, "-inf", "WITHSCORES", "LIMIT", offset, count] as const;
    const flat = await redis.zrevrangebyscore(...page);
    const listed = placesIn(flat);
    const ids = listed.map(({ id }) => id);
    const places = keys.length === 1 ? listed : await earliest(redis, keys, ids);
    found.push(
      ...listed.filter(
        (one, nth) => one.at === places[nth]?.at && (before === undefined || newestFirst(before, one) < 0),
      ),
    );
    if (listed.length < count) break;
  }
  return found.slice(0, count);
}

/** Where a batch stands in the list, also when it is gone from there. */
async function placeNow(
  redis: RedisClient,
  keys: readonly string[],
  before: BatchPlace,
): Promise<BatchPlace> {
  const [place = before] = await earliest(redis, keys, [before.id]);
  return Number.isFinite(place.at) ? place : before;
}

/** The places of batches; at no finite time those that are in no list. */
async function earliest(
  redis: RedisClient,
  keys: readonly string[],
  ids: readonly string[],
): Promise<readonly BatchPlace[]> {
  if (ids.length === 0) return [];
  const scores = await Promise.all(keys.map((key) => redis.zmscore(key, ...ids)));
  return ids.map((id, nth) => {
    const known = scores.flatMap((ofShard) =>
      typeof ofShard[nth] === "string" ? [Number(ofShard[nth])] : [],
    );
    return { id, at: Math.min(...known) };
  });
}

function placesIn(flat: readonly string[]): readonly BatchPlace[] {
  const places: BatchPlace[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2)
    places.push({ id: flat[at] ?? "", at: Number(flat[at + 1]) });
  return places;
}

/** As Redis has them: the later time first, and of one time the greater id. */
function newestFirst(a: BatchPlace, b: BatchPlace): number {
  return b.at - a.at || (a.id === b.id ? 0 : a.id < b.id ? 1 : -1);
}
