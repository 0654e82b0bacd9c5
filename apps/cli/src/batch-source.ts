/**
 * The bytes of a batch, which are read twice: checked whole, then submitted. Standard input is kept in a file for that,
 * which has no name any more once it is open, so that nothing of it stays however the command ends.
 */
import { type FileHandle, mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { BatonError } from "@baton/core";
import { fileBytes } from "@baton/producer/remote";

export interface BatchSource extends AsyncDisposable {
  /** As people call it. */
  readonly name: string;
  readonly bytes: number;
  /** Whether this path leads to the file that is read. */
  readonly isAt: (path: string) => Promise<boolean>;
  /** From the beginning, each time. */
  read(): AsyncIterable<Uint8Array>;
}

/** `-` is standard input. Throws `invalid_spec` for a file that cannot be read. */
export async function openBatchSource(path: string, signal: AbortSignal): Promise<BatchSource> {
  const file = path === "-" ? await spool(process.stdin, signal) : await openFile(path);
  const { size, dev, ino } = await file.handle.stat();
  return {
    name: path === "-" ? "standard input" : path,
    bytes: size,
    isAt: async (other) => {
      const found = await stat(other).catch(() => undefined);
      return found?.dev === dev && found.ino === ino;
    },
    read: () => fileBytes(file.handle),
    async [Symbol.asyncDispose]() {
      await file.handle.close();
      await file.remove();
    },
  };
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly remove: () => Promise<void>;
}

async function openFile(path: string): Promise<OpenFile> {
  const handle = await open(path, "r").catch((error: Error) => {
    throw new BatonError("invalid_spec", `the batch file ${path} cannot be read: ${error.message}`, {
      cause: error,
    });
  });
  if ((await handle.stat()).isFile()) return { handle, remove: async () => undefined };
  await handle.close();
  throw new BatonError(
    "invalid_spec",
    `${path} is no file, and a batch is read twice: give it by standard input, with -`,
  );
}

/** Standard input, or what stands for it, in a file without a name. Throws the signal's reason when it is aborted. */
export async function spool(input: Readable, signal: AbortSignal): Promise<OpenFile> {
  const folder = await mkdtemp(join(tmpdir(), "baton-batch-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  const handle = await open(join(folder, "input"), "wx+", 0o600);
  // Where an open file keeps its name, it is removed at the end.
  await remove().catch(() => undefined);
  // Nobody may be writing, and the next chunk may never come.
  const onAbort = (): void => void input.destroy(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    signal.throwIfAborted();
    for await (const chunk of input) {
      signal.throwIfAborted();
      await handle.appendFile(chunk);
    }
    signal.throwIfAborted();
  } catch (error) {
    await handle.close();
    await remove();
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
  return { handle, remove };
}
