/**
 * Pages over runs, newest first, whatever their status and shard. A run's place in that order is its id's, which never
 * changes, so a page goes on where the one before it ended however many runs come, move and go in between. The groups of
 * a shard are read at one moment: a run that moves between them is neither missed nor seen twice.
 */
import { type RunId, runIdSchema } from "@baton/core";
import { BATCH_GROUPS, type BatchGroup } from "./batch-page.ts";
import { runKeys, shardKeys, spaceKeys } from "./keys.ts";
import { newestFirst, twinOf } from "./read-run.ts";
import type { RedisClient } from "./redis-client.ts";
import type { RunScript } from "./scripts.ts";
import { onShards } from "./shards.ts";

/** Whose runs are meant; absent: all. A batch lies within one namespace, so its index suffices. */
export interface RunIndex {
  readonly batch?: string | undefined;
  readonly namespace?: string | undefined;
}

export interface NewestPage extends RunIndex {
  /** Runs that come after this one in the order. */
  readonly before?: RunId | undefined;
  readonly limit: number;
}

export interface NewestRuns {
  readonly ids: readonly RunId[];
  readonly hasMore: boolean;
}

export async function newestRuns(
  run: RunScript,
  shards: number,
  { groups = BATCH_GROUPS, ...page }: NewestPage & { readonly groups?: readonly BatchGroup[] | undefined },
): Promise<NewestRuns> {
  const parts = await onShards(shards, async (shard) => {
    const before = page.before === undefined ? undefined : twinOf(page.before, shard);
    const ranges = groups.flatMap((group) => [
      before === undefined ? `[${group}/~` : `(${group}/${before}`,
      `[${group}/`,
    ]);
    const replies = await run("newest", [indexOf(page, shard)], [String(page.limit + 1), ...ranges]);
    return groups.flatMap((group, at) =>
      // ZREVRANGEBYLEX replies members, by the protocol.
      ((replies[at] ?? []) as string[]).map((member) => runIdSchema.parse(member.slice(group.length + 1))),
    );
  });
  return firstOf(parts.flat().sort(newestFirst), page.limit);
}

/**
 * The same of runs that are at work. They share a group with the queued ones, of which there may be very many, so all
 * that are at work are looked at: no more than the workers have places.
 */
export async function newestRunning(
  redis: RedisClient,
  run: RunScript,
  shards: number,
  page: NewestPage,
): Promise<NewestRuns> {
  const parts = await onShards(shards, async (shard) => {
    const running = await redis.zrange(shardKeys(shard).running, "0", "-1");
    const before = page.before === undefined ? undefined : twinOf(page.before, shard);
    const ids = running
      .filter((id) => before === undefined || id < before)
      .map((id) => runIdSchema.parse(id));
    return ofIndex(run, ids, page);
  });
  return firstOf(parts.flat().sort(newestFirst), page.limit);
}

/** Runs in one call of the script: it holds Redis for less than a millisecond. */
const AT_ONCE = 250;

async function ofIndex(
  run: RunScript,
  ids: readonly RunId[],
  { batch, namespace }: RunIndex,
): Promise<readonly RunId[]> {
  if (batch === undefined && namespace === undefined) return ids;
  const own: RunId[] = [];
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const some = ids.slice(from, from + AT_ONCE);
    const keys = some.map((id) => runKeys(id).run);
    // HMGET replies strings, and null for what is absent, by the protocol.
    const looks = (await run("glance", keys, ["batch", "namespace"])) as (string | null)[][];
    own.push(
      ...some.filter((_, place) => {
        const [ofBatch, ofNamespace] = looks[place] ?? [];
        return (
          (batch === undefined || ofBatch === batch) && (namespace === undefined || ofNamespace === namespace)
        );
      }),
    );
  }
  return own;
}

function indexOf({ batch, namespace }: RunIndex, shard: number): string {
  const keys = shardKeys(shard);
  if (batch !== undefined) return `${keys.batchPrefix}${batch}:runs`;
  return namespace === undefined ? keys.status : `${spaceKeys(shard).spacePrefix}${namespace}:runs`;
}

function firstOf(sorted: readonly RunId[], limit: number): NewestRuns {
  return { ids: sorted.slice(0, limit), hasMore: sorted.length > limit };
}
