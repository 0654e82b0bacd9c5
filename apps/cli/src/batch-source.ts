/**
 * The bytes of a batch, which are read twice: checked whole, then submitted. Standard input is kept in a file for that,
 * which has no name any more once it is open, so that nothing of it stays however the command ends.
 */
import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BatonError } from "@baton/core";

export interface BatchSource extends AsyncDisposable {
  /** As people call it. */
  readonly name: string;
  readonly bytes: number;
  /** From the beginning, each time. */
  read(): AsyncIterable<Uint8Array>;
}

const CHUNK_BYTES = 262_144;

/** `-` is standard input. Throws `invalid_spec` for a file that cannot be read. */
export async function openBatchSource(path: string, signal: AbortSignal): Promise<BatchSource> {
  const file = path === "-" ? await spool(process.stdin, signal) : await openFile(path);
  const { size } = await file.handle.stat();
  return {
    name: path === "-" ? "standard input" : path,
    bytes: size,
    read: () => file.handle.createReadStream({ start: 0, autoClose: false, highWaterMark: CHUNK_BYTES }),
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

async function spool(input: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<OpenFile> {
  const folder = await mkdtemp(join(tmpdir(), "baton-batch-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  const handle = await open(join(folder, "input"), "wx+", 0o600);
  // Where an open file keeps its name, it is removed at the end.
  await remove().catch(() => undefined);
  try {
    for await (const chunk of input) {
      signal.throwIfAborted();
      await handle.appendFile(chunk);
    }
  } catch (error) {
    await handle.close();
    await remove();
    throw error;
  }
  return { handle, remove };
}
