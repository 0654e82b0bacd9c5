/** The error for a server that ended before it was ready, told from what it said last. */
import { BatonError } from "@baton/core";
import { lastLines } from "./command.ts";

export interface EndedServer {
  /** Such as `redis-server`. */
  readonly server: string;
  /** Where its data lies. */
  readonly folder: string;
  /** Where its words were found. */
  readonly source: string;
  /** What it said, maybe behind what servers before it said. */
  readonly output: string;
  readonly pid: number | undefined;
}

/** `redis_unfit` when it could not load its data, otherwise `redis_unreachable`. */
export function endedEarlyError({ server, folder, source, output, pid }: EndedServer): BatonError {
  const warning = lastWarning(output, pid);
  const said = `${source} says: ${warning ?? lastLines(output, 1)}`;
  if (warning === undefined || !/append only file|\bAOF\b|\bRDB\b/.test(warning)) {
    return new BatonError("redis_unreachable", `${server} ended before it was ready; ${said}`);
  }
  return new BatonError(
    "redis_unfit",
    `${server} cannot load the data in ${folder}; put a backup in its place, or move it away to begin without data; ${said}`,
  );
}

/** Warnings look like `4711:M 21 Nov 2026 10:00:00.000 # words`; what is behind the last one is of no process. */
function lastWarning(output: string, pid: number | undefined): string | undefined {
  const lines = output.split("\n").filter((line) => line.startsWith(`${pid}:`) && line.includes(" # "));
  const line = lines.at(-1);
  return line?.slice(line.indexOf(" # ") + 3).trim();
}
