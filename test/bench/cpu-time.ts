/**
 * Processor time of processes and all their children, from Linux's /proc. Unlike the time on the clock it does not depend
 * on what else the machine does, so it compares engines on a busy machine too.
 */
import { readFile } from "node:fs/promises";

const TICK_MS = 10;

/** Milliseconds so far of these processes together; not a number where there is no /proc. */
export async function cpuTimeMs(pids: readonly number[]): Promise<number> {
  const times = await Promise.all(pids.map(treeMs));
  return times.reduce((sum, ms) => sum + ms, 0);
}

async function treeMs(pid: number): Promise<number> {
  const [stat, children] = await Promise.all([
    readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined),
    readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => ""),
  ]);
  if (stat === undefined) return Number.NaN;
  // Behind the name, which stands in brackets: own user and system time, then those of children that have ended.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const own = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * TICK_MS, 0);
  const below = children.split(" ").filter(Boolean).map(Number);
  // A child that ends between the two reads is counted by its parent at the next reading.
  const rest = await Promise.all(below.map(async (child) => (await treeMs(child)) || 0));
  return rest.reduce((sum, ms) => sum + ms, own);
}
