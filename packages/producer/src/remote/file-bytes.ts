/**
 * The bytes of an open file from its beginning, however often they are asked for. It reads by position: a stream of the file
 * for each time would add a listener to it that nothing takes away before the file is closed.
 */
import type { FileHandle } from "node:fs/promises";

const CHUNK_BYTES = 262_144;

export async function* fileBytes(handle: FileHandle): AsyncGenerator<Uint8Array, void, void> {
  for (let at = 0; ; ) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
