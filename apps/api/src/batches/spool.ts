/**
 * An upload is read twice, checked whole and then submitted, so it is kept in a file in between. The file can be read by
 * this process alone and loses its name as soon as it is open: nothing of it stays, however the process ends.
 */
import { randomUUID } from "node:crypto";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { HttpProblem } from "../problem.ts";

export interface Spool extends AsyncDisposable {
  /** The same bytes, each chunk given on once it is written: a slow disk slows the sender. Throws `too_large`. */
  keep(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void>;
  /** What was kept, from the beginning. */
  read(): AsyncIterable<Uint8Array>;
}

const CHUNK_BYTES = 262_144;
const NO_ROOM = new Set(["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EFBIG"]);

export async function openSpool(folder: string, bytesMax: number): Promise<Spool> {
  const path = join(folder, randomUUID());
  const handle = await written(async () => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return open(path, "wx+", 0o600);
  });
  const remove = () => rm(path, { force: true });
  // Where an open file keeps its name, it is removed at the end.
  await remove().catch(() => undefined);
  let bytes = 0;
  return {
    async *keep(source) {
      for await (const chunk of source) {
        bytes += chunk.length;
        if (bytes > bytesMax) throw tooLarge(bytesMax);
        await written(() => handle.appendFile(chunk));
        yield chunk;
      }
    },
    read: () => handle.createReadStream({ start: 0, autoClose: false, highWaterMark: CHUNK_BYTES }),
    async [Symbol.asyncDispose]() {
      await handle.close();
      await remove();
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

async function written<Value>(write: () => Promise<Value>): Promise<Value> {
  try {
    return await write();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (!NO_ROOM.has(code)) throw error;
    throw new HttpProblem(
      "no_room",
      507,
      `the API cannot keep the file while it is checked (${code}): make room in the folder for its uploads`,
      { cause: error },
    );
  }
}
