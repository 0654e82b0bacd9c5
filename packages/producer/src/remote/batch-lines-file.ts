/**
 * Lines of a batch that come from a program, kept in a file so that they can be sent again. The file can be read by this
 * process alone and loses its name as soon as it is open: nothing of it stays, however the process ends.
 */
import { randomUUID } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BatchLine } from "../batch/batch-line.ts";
import { fileBytes } from "./file-bytes.ts";

export interface LinesFile extends AsyncDisposable {
  /** From the beginning, each time. */
  read(): AsyncIterable<Uint8Array>;
}

const CHUNK_BYTES = 262_144;

/** Each line stands at its number, so that what is told of it is told of that number. Ends early when the signal aborts. */
export async function keepLines(lines: AsyncIterable<BatchLine>, signal: AbortSignal): Promise<LinesFile> {
  const path = join(tmpdir(), `baton-lines-${randomUUID()}`);
  const handle = await open(path, "wx+", 0o600);
  const remove = () => rm(path, { force: true });
  // Where an open file keeps its name, it is removed at the end.
  await remove().catch(() => undefined);
  const file: LinesFile = {
    read: () => fileBytes(handle),
    async [Symbol.asyncDispose]() {
      await handle.close();
      await remove();
    },
  };
  try {
    await write(lines, (text) => handle.appendFile(text), signal);
    return file;
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

async function write(
  lines: AsyncIterable<BatchLine>,
  append: (text: string) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let text = "";
  let at = 1;
  for await (const { line, customId, spec } of lines) {
    signal.throwIfAborted();
    text += `${"\n".repeat(Math.max(0, line - at))}${JSON.stringify({ custom_id: customId, body: spec })}\n`;
    at = Math.max(at, line) + 1;
    if (text.length < CHUNK_BYTES) continue;
    await append(text);
    text = "";
  }
  await append(text);
}
