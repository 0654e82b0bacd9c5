/**
 * Pages over runs, newest first, over all shards. A run's place in that order is its id's without the shard, which never
 * changes, so a page goes on where the one before it ended however many runs come, move and go in between. The groups of
 * a shard are read at one moment: a run that moves between them is neither missed nor seen twice.
 */
import { type RunId, type RunStatus, runIdSchema } from "@baton/core";
import { BATCH_GROUPS, type BatchGroup } from "./batch-page.ts";
import { shardKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import type { RunScript } from "./scripts.ts";
import { onShards } from "./shards.ts";
import { spaceRunsKey } from "./spaces.ts";

export interface NewestPage {
  /** Absent: of any. */
  readonly status?: RunStatus | undefined;
  readonly batch?: string | undefined;
  /** Not looked at where a batch is given, which lies within one namespace. */
  readonly namespace?: string | undefined;
  /** Runs that come after this one in the order. */
  readonly before?: RunId | undefined;
  readonly limit: number;
}

export interface NewestRuns {
  readonly ids: readonly RunId[];
  readonly hasMore: boolean;
}

interface Source {
  readonly redis: RedisClient;
  readonly run: RunScript;
  readonly shards: number;
}

/** Members that one command is asked for, at least: the runs at work are far apart where few of them are meant. */
const AT_ONCE = 500;

export async function newestRuns(source: Source, page: NewestPage): Promise<NewestRuns> {
  const parts = await onShards(source.shards, (shard) => {
    const before = page.before === undefined ? undefined : twinOf(page.before, shard);
    return ofShard(source, shard, { ...page, before, limit: page.limit + 1 });
  });
  const sorted = parts.flat().sort(newestFirst);
  return { ids: sorted.slice(0, page.limit), hasMore: sorted.length > page.limit };
}

function ofShard(source: Source, shard: number, page: NewestPage): Promise<readonly RunId[]> {
  const { status } = page;
  if (status === "queued") return queuedOf(source, shard, page);
  if (status === "running") return runningOf(source, shard, page);
  return rangeOf(source, shard, page, status === undefined ? BATCH_GROUPS : [status]);
}

/**
 * Queued and running runs share a group, because a run goes between the two with every phase. They are told apart by the
 * index of those at work, which has no more than the workers have places: so the look over them is bounded.
 */
async function queuedOf(source: Source, shard: number, page: NewestPage): Promise<readonly RunId[]> {
  const limit = Math.max(page.limit, AT_ONCE);
  const queued: RunId[] = [];
  for (let { before } = page; ; ) {
    const live = await rangeOf(source, shard, { ...page, before, limit }, ["live"]);
    const atWork = await areIn(source.redis, shardKeys(shard).running, live);
    queued.push(...live.filter((_, place) => atWork[place] === false));
    before = live.at(-1);
    if (live.length < limit || queued.length >= page.limit) return queued.slice(0, page.limit);
  }
}

async function runningOf(source: Source, shard: number, page: NewestPage): Promise<readonly RunId[]> {
  const { batch, namespace, before, limit } = page;
  const all = await source.redis.zrange(shardKeys(shard).running, "0", "-1");
  const atWork = all.filter((id) => before === undefined || id < before).sort((a, b) => (a < b ? 1 : -1));
  const own: string[] = [];
  for (let from = 0; from < atWork.length && own.length < limit; from += AT_ONCE) {
    const some = atWork.slice(from, from + AT_ONCE);
    const members = some.map((id) => `live/${id}`);
    const isAll = batch === undefined && namespace === undefined;
    const isOwn = isAll ? undefined : await areIn(source.redis, indexOf(page, shard), members);
    own.push(...some.filter((_, place) => isOwn?.[place] !== false));
  }
  return own.slice(0, limit).map((id) => runIdSchema.parse(id));
}

/** Of each member, whether the index has it. */
async function areIn(
  redis: RedisClient,
  index: string,
  members: readonly string[],
): Promise<readonly boolean[]> {
  if (members.length === 0) return [];
  return (await redis.zmscore(index, ...members)).map((score) => score !== null);
}

async function rangeOf(
  { run }: Source,
  shard: number,
  page: NewestPage,
  groups: readonly BatchGroup[],
): Promise<readonly RunId[]> {
  const ranges = groups.flatMap((group) => [
    page.before === undefined ? `[${group}/~` : `(${group}/${page.before}`,
    `[${group}/`,
  ]);
  const replies = await run("newest", [indexOf(page, shard)], [String(page.limit), ...ranges]);
  return groups.flatMap((group, at) =>
    // ZREVRANGEBYLEX replies members, by the protocol.
    ((replies[at] ?? []) as string[]).map((member) => runIdSchema.parse(member.slice(group.length + 1))),
  );
}

function indexOf({ batch, namespace }: NewestPage, shard: number): string {
  const keys = shardKeys(shard);
  if (batch !== undefined) return `${keys.batchPrefix}${batch}:runs`;
  return namespace === undefined ? keys.status : spaceRunsKey(shard, namespace);
}

/** Compares ids of any shards. */
function newestFirst(a: RunId, b: RunId): number {
  return placeOf(a) < placeOf(b) ? 1 : -1;
}

/** What is left of an id without its shard: it sorts by time. */
function placeOf(id: RunId): string {
  return id.slice(id.indexOf("_", 2) + 1);
}

/** Where an id would stand in the order of a shard. */
function twinOf(id: RunId, shard: number): RunId {
  return runIdSchema.parse(`r_${shard}_${placeOf(id)}`);
}
