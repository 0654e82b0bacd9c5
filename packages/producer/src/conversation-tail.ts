/** The end of a conversation: what tells what its run waits for. */
import { type Item, isReply, type Run } from "@baton/core";

/** Items read at once on the way back to the last reply. */
const TAIL_PAGE = 50;

/** From the last reply on; all of it when there is none. `read` gives items from one place to another, inclusive. */
export async function readTail(
  run: Pick<Run, "items">,
  read: (from: number, to: number) => Promise<readonly Item[]>,
): Promise<readonly Item[]> {
  let items: readonly Item[] = [];
  for (let from = run.items; from > 0 && !items.some(isReply); ) {
    const before = Math.max(0, from - TAIL_PAGE);
    items = [...(await read(before, from - 1)), ...items];
    from = before;
  }
  return items;
}
