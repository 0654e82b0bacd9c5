/**
 * A lock between processes that no crash can leave behind: the exclusive lock that SQLite takes on a file, which
 * the kernel drops with the process that held it. The file stays, empty, and its presence means nothing. Nothing is
 * written to take it: on a full disk, too, a server is found and can be stopped.
 */
import { DatabaseSync } from "node:sqlite";
import { BatonError } from "@baton/core";
import { pause } from "./pause.ts";

const RETRY_MS = 20;
/** A holder may be downloading Redis over a slow line. */
const WAIT_MS_MAX = 600_000;
const SQLITE_BUSY = 5;

export interface FileLockOptions {
  /** Called once when the lock is held by somebody else and has to be waited for. */
  readonly onWait: () => void;
}

/** Waits for the lock; disposing gives it back. Holders in the same process exclude each other too. */
export async function takeLock(
  file: string,
  options: FileLockOptions,
  signal: AbortSignal | undefined,
): Promise<Disposable> {
  for (let waitedMs = 0; waitedMs < WAIT_MS_MAX; waitedMs += RETRY_MS) {
    signal?.throwIfAborted();
    const lock = tryLock(file);
    if (lock !== undefined) return lock;
    if (waitedMs === 0) options.onWait();
    await pause(RETRY_MS, signal);
  }
  throw new BatonError("redis_unreachable", `another process has held ${file} for ${WAIT_MS_MAX / 1000} s`);
}

function tryLock(file: string): Disposable | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: 0 });
    // Else SQLite begins a journal, which takes room on the disk.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database?.close();
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) return undefined;
    const why = error instanceof Error ? error.message : String(error);
    throw new BatonError("redis_unreachable", `${file} cannot be locked: ${why}`, { cause: error });
  }
  const held = database;
  return { [Symbol.dispose]: () => held.close() };
}
