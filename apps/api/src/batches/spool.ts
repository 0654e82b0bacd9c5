/**
 * An upload is read twice, checked whole and then submitted, so it is kept in a file in between. The file can be read by
 * this process alone and loses its name as soon as it is open: nothing of it stays, however the process ends.
 */
import { randomUUID } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "@baton/core/make-folder";
import { HttpProblem } from "../problem.ts";

export interface Spool extends AsyncDisposable {
  /** The same bytes, each chunk given on once it is written: a slow disk slows the sender. Throws `too_large` and `no_room`. */
  keep(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void>;
  /** What was kept, from the beginning. */
  read(): AsyncIterable<Uint8Array>;
}

const CHUNK_BYTES = 262_144;

/** Throws `no_room` where no file can be kept. */
export async function tryFolder(folder: string): Promise<void> {
  await using _spool = await openSpool(folder, 0);
}

/** Throws `no_room`. */
export async function openSpool(folder: string, bytesMax: number): Promise<Spool> {
  const path = join(folder, randomUUID());
  const handle = await written(folder, async () => {
    await makeFolder(folder);
    return open(path, "wx+", 0o600);
  });
  const remove = () => rm(path, { force: true });
  // Where an open file keeps its name, it is removed at the end.
  const isNamed = await remove().then(
    () => false,
    () => true,
  );
  let bytes = 0;
  return {
    async *keep(source) {
      for await (const chunk of source) {
        bytes += chunk.length;
        if (bytes > bytesMax) throw tooLarge(bytesMax);
        await written(folder, () => handle.appendFile(chunk));
        yield chunk;
      }
    },
    read: () => handle.createReadStream({ start: 0, autoClose: false, highWaterMark: CHUNK_BYTES }),
    async [Symbol.asyncDispose]() {
      await handle.close();
      if (isNamed) await remove();
    },
  };
}

export function tooLarge(bytesMax: number): HttpProblem {
  return new HttpProblem(
    "too_large",
    413,
    `the file is larger than ${bytesMax} bytes: cut it into several batches, or raise api.batchBytesMax`,
  );
}

/** The caller is told the system's word for it, and the log of the API what to do and where. */
async function written<Value>(folder: string, write: () => Promise<Value>): Promise<Value> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const advice = `batch files are kept in ${folder}: make it a folder that this process may write to, with room, or name another by BATON_DATA_DIR`;
    throw new HttpProblem(
      "no_room",
      507,
      `the API cannot keep the file while it is checked (${error.code}): whoever runs it finds in its log what to do`,
      { isFault: true, cause: new Error(advice, { cause: error }) },
    );
  }
}
