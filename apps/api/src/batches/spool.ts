/**
 * An upload is read twice, checked whole and then submitted, so it is kept in a file in between. The file can be read by
 * this process alone and loses its name as soon as it is open: nothing of it stays, however the process ends. All files
 * of an API share a lane (`disk-lane.ts`), so that a disk that does not answer holds up nothing but uploads.
 */
import { randomUUID } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "@baton/core/make-folder";
import { HttpProblem } from "../problem.ts";
import type { DiskLane } from "./disk-lane.ts";

export interface Spool extends AsyncDisposable {
  /** The same bytes, each chunk given on once it is written: a slow disk slows the sender. Throws `too_large` and `no_room`. */
  keep(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void>;
  /** What was kept, from the beginning. */
  read(): AsyncIterable<Uint8Array>;
}

const CHUNK_BYTES = 262_144;

const ASK = "whoever runs it finds in its log what to do";
const KEEPING = { so: "keep the file while it is checked", what: ASK };
const READING = {
  so: "read the file that it has checked",
  what: `what is in stays in, and the same file, sent again, submits the rest; ${ASK}`,
};

export interface SpoolPlace {
  readonly folder: string;
  readonly lane: DiskLane;
}

/** Throws `no_room` where no file can be kept. */
export async function tryFolder(place: SpoolPlace): Promise<void> {
  await using _spool = await openSpool(place, 0);
}

/** Throws `no_room`. */
export async function openSpool({ folder, lane }: SpoolPlace, bytesMax: number): Promise<Spool> {
  const { handle, close } = await asProblem(folder, KEEPING, () =>
    lane.run(
      () => openNameless(folder),
      (late) => late.close(),
    ),
  );
  let bytes = 0;
  return {
    async *keep(source) {
      for await (const chunk of source) {
        bytes += chunk.length;
        if (bytes > bytesMax) throw tooLarge(bytesMax);
        await asProblem(folder, KEEPING, () => lane.run(() => handle.appendFile(chunk)));
        yield chunk;
      }
    },
    async *read() {
      for (let at = 0; ; ) {
        const { buffer, bytesRead } = await asProblem(folder, READING, () =>
          lane.run(() => handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, at)),
        );
        if (bytesRead === 0) return;
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    },
    [Symbol.asyncDispose]: () => lane.eventually(close),
  };
}

interface NamelessFile {
  readonly handle: FileHandle;
  readonly close: () => Promise<void>;
}

async function openNameless(folder: string): Promise<NamelessFile> {
  const path = join(folder, randomUUID());
  await makeFolder(folder);
  const handle = await open(path, "wx+", 0o600);
  const remove = () => rm(path, { force: true });
  // Where an open file keeps its name, it is removed at the end.
  const isNamed = await remove().then(
    () => false,
    () => true,
  );
  const close = async () => {
    await handle.close();
    if (isNamed) await remove();
  };
  return { handle, close };
}

export function tooLarge(bytesMax: number): HttpProblem {
  return new HttpProblem(
    "too_large",
    413,
    `the file is larger than ${bytesMax} bytes: cut it into several batches, or raise api.batchBytesMax`,
  );
}

/** The caller is told the system's word for it, and the log of the API what to do and where. */
async function asProblem<Value>(
  folder: string,
  { so, what }: { readonly so: string; readonly what: string },
  operate: () => Promise<Value>,
): Promise<Value> {
  try {
    return await operate();
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const advice = `batch files are kept in ${folder}: make it a folder that this process may write to, with room, or name another by BATON_DATA_DIR`;
    throw new HttpProblem("no_room", 507, `the API cannot ${so} (${error.code}): ${what}`, {
      isFault: true,
      cause: new Error(advice, { cause: error }),
    });
  }
}
