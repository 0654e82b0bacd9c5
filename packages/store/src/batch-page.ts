/**
 * The runs of a batch in the order of its lines, whatever became of them: the index of each shard has a group for each
 * status, and a page merges them. The groups of a shard are read at one moment, so that a run which moves between them
 * is met once: neither missed nor seen twice.
 */
import { type RunId, runIdSchema } from "@baton/core";
import { shardKeys } from "./keys.ts";
import type { RunScript } from "./scripts.ts";

/** Queued and running runs are one group. */
export const BATCH_GROUPS = ["live", "waiting", "succeeded", "failed", "cancelled"] as const;
export type BatchGroup = (typeof BATCH_GROUPS)[number];

export interface BatchPageOptions {
  readonly groups?: readonly BatchGroup[] | undefined;
  /** What the page before gave. */
  readonly after?: string | undefined;
  /** How many runs of each group and shard are read; a page has so many at least, unless it is the last. */
  readonly limit: number;
}

export interface BatchPage {
  readonly ids: readonly RunId[];
  /** Where to go on; undefined when this is the last page. */
  readonly after: string | undefined;
}

interface Placed {
  readonly id: RunId;
  /** The part of the id that is the run's place in the batch. */
  readonly place: string;
}

export async function pageOfBatch(
  run: RunScript,
  shards: number,
  batch: string,
  options: BatchPageOptions,
): Promise<BatchPage> {
  const parts = await Promise.all(
    Array.from({ length: shards }, (_, shard) => groupsOf(run, shard, batch, options)),
  );
  const lists = parts.flat();
  // Behind the end of a list that was cut there may be more of it: the page ends where the first of them ends.
  const ends = lists.flatMap((list) => (list.length < options.limit ? [] : [list.at(-1)?.place ?? ""]));
  const end = ends.toSorted()[0];
  const merged = lists
    .flat()
    .filter(({ place }) => end === undefined || place <= end)
    .toSorted((a, b) => (a.place < b.place ? -1 : Number(a.place > b.place)));
  return { ids: merged.map(({ id }) => id), after: end };
}

async function groupsOf(
  run: RunScript,
  shard: number,
  batch: string,
  { groups = BATCH_GROUPS, after, limit }: BatchPageOptions,
): Promise<readonly (readonly Placed[])[]> {
  const index = `${shardKeys(shard).batchPrefix}${batch}:runs`;
  const ranges = groups.flatMap((group) => [
    after === undefined ? `[${group}/` : `(${group}/r_${shard}_${after}`,
    `[${group}/~`,
  ]);
  const replies = await run("page", [index], [String(limit), ...ranges]);
  return groups.map((group, at) => {
    // ZRANGEBYLEX replies members, by the protocol.
    return ((replies[at] ?? []) as string[]).map((member) => {
      const id = runIdSchema.parse(member.slice(group.length + 1));
      return { id, place: id.slice(id.indexOf("_", 2) + 1) };
    });
  });
}
