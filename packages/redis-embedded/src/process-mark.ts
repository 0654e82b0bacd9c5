/**
 * Tells a process from a later one that was given the same pid. A mark is the pid with the moment of its start;
 * a zombie counts as dead, since an orphan may stay one for ever where process 1 reaps nothing.
 */
import { readFile, readlink } from "node:fs/promises";
import { runCommand } from "./command.ts";

export interface ProcessMark {
  readonly pid: number;
  /** Opaque; equal texts mean the same process. */
  readonly started: string;
}

/** The mark of a living process, or undefined. */
export async function markOf(pid: number): Promise<ProcessMark | undefined> {
  const started = process.platform === "linux" ? await startedByProc(pid) : await startedByPs(pid);
  return started === undefined ? undefined : { pid, started };
}

export async function isAlive(mark: ProcessMark): Promise<boolean> {
  return (await markOf(mark.pid))?.started === mark.started;
}

export function sameProcess(a: ProcessMark, b: ProcessMark): boolean {
  return a.pid === b.pid && a.started === b.started;
}

async function startedByProc(pid: number): Promise<string | undefined> {
  const [stat, bootId, namespace] = await Promise.all([
    readFile(`/proc/${pid}/stat`, "utf8").catch(goneAsUndefined),
    readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(goneAsUndefined),
    // A pid that was written down in a container means nothing outside of it.
    readlink("/proc/self/ns/pid").catch(goneAsUndefined),
  ]);
  if (stat === undefined) return undefined;
  // The name in parentheses may itself hold spaces and parentheses: fields are counted from the last one.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, threads, ticks] = [fields[0], Number(fields[17]), fields[19]];
  // A killed process shows as a zombie while its other threads still die, with its files and sockets open.
  const isZombie = (state === "Z" && threads <= 1) || state === "X";
  if (isZombie || ticks === undefined) return undefined;
  return `${bootId?.trim() ?? ""} ${namespace ?? ""} ${ticks}`;
}

async function startedByPs(pid: number): Promise<string | undefined> {
  const result = await runCommand(
    "ps",
    ["-o", "stat=,lstart=", "-p", String(pid)],
    { env: { PATH: "/bin:/usr/bin", LC_ALL: "C" }, withinMs: 5_000 },
    undefined,
  );
  const line = result.ok ? result.stdout.trim() : "";
  return line === "" || line.startsWith("Z") ? undefined : line.replace(/^\S+\s+/, "");
}

function goneAsUndefined(error: NodeJS.ErrnoException): undefined {
  // ESRCH: the process went away between open and read.
  if (error.code === "ENOENT" || error.code === "ESRCH") return undefined;
  throw error;
}
