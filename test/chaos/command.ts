/** What the commands of chaos have in common: options that are numbers, the folder of a run, and how one ends. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export interface FolderOptions {
  /** Where to keep all files; undefined: in a private folder, which is gone in the end. */
  readonly keep: string | undefined;
  /** Of the private folder's name. */
  readonly prefix: string;
}

/**
 * Does `run` in a folder of its own, which it may end early by the signal, and ends the process: what was broken and not
 * healed when the run was aborted must not keep it alive.
 */
export async function runInFolder(
  { keep, prefix }: FolderOptions,
  run: (folder: string, signal: AbortSignal) => Promise<void>,
): Promise<never> {
  const folder = openFolder(keep, prefix);
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    // Also the second time: what was started is being ended.
    process.on(name, () => interrupt.abort(new Error(`ended by ${name}`)));
  }
  try {
    await run(folder, interrupt.signal);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    process.exitCode = 1;
  }
  if (keep === undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  else process.stderr.write(`kept in ${folder}\n`);
  process.exit();
}

/** The value of the option `name`; minutes alone need not be whole. */
export function positiveOf(name: string, text: string): number {
  const number = Number(text);
  if (!(number > 0) || !(Number.isInteger(number) || name === "minutes")) {
    throw new Error(`--${name} is a number above 0, not ${text}`);
  }
  return number;
}

/** The folder that was asked for, which must be empty, or a private one. */
function openFolder(asked: string | undefined, prefix: string): string {
  if (asked === undefined) return mkdtempSync(join(tmpdir(), prefix));
  const folder = resolve(asked);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (readdirSync(folder).length > 0) throw new Error(`${folder} is not empty`);
  return folder;
}
