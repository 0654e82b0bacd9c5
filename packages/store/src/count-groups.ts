/** How many runs of an index there are by the group of their status, all counted at one moment: together they are exact. */
import type { BatchGroup } from "./batch-page.ts";
import type { RunScript } from "./scripts.ts";

/** In the order of `groups`. `index`: of a shard, as that of a batch or of a namespace. */
export async function countGroups(
  run: RunScript,
  index: string,
  groups: readonly BatchGroup[],
): Promise<readonly number[]> {
  return (await run("count", [index], groups)).map(Number);
}
