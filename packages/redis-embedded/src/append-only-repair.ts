/**
 * Takes away what a crash cut off at the end of the append-only files, before a server loads them: a script's writes
 * are there whole or not at all (R1). Redis' own way (`aof-load-truncated yes`) drops the last command alone when the
 * cut lies inside of one; the transaction around it stays open, and the next start runs half a script.
 *
 * - A file that is whole is only read.
 * - Only an end that was never written whole is taken away. Damage with good data behind it is an error, and then
 *   nothing is changed: `redis-check-aof --fix` would throw all of that data away.
 * - Called under the folder's lock, when no server runs on it.
 */
import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { BatonError } from "@baton/core";
import { type Breach, CommandScanner } from "./command-scanner.ts";

const PIECE_BYTES = 1024 * 1024;
/** How the next command begins. In a value it stands only when the value's length is wrong. */
const NEXT_COMMAND = /\r\n\*\d+\r\n\$\d+\r\n/;
/** Longer than what that pattern can match across the border of two pieces. */
const OVERLAP_BYTES = 64;

/** `folder` is the server's working folder. Throws `redis_unfit` when a file is damaged, or the abort's reason. */
export async function repairAppendOnlyFiles(
  folder: string,
  log: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const files: JudgedFile[] = [];
  for (const path of await appendedFiles(join(folder, "appendonlydir"))) {
    const judged = await judgeFile(path, signal);
    if (judged !== undefined) files.push(judged);
  }
  // All are judged before one is changed.
  for (const [index, file] of files.entries()) {
    const isFollowed = files.slice(index + 1).some(({ sizeBytes }) => sizeBytes > 0);
    if (file.verdict.kind === "damaged") throw damagedError(folder, file, file.verdict);
    if (file.verdict.kind === "cut" && isFollowed) {
      const what = "it ends in the middle of a write, and another file follows it";
      throw damagedError(folder, file, { at: file.sizeBytes, what });
    }
  }
  for (const { path, sizeBytes, verdict } of files) {
    if (verdict.kind !== "cut") continue;
    await cutFile(path, verdict.wholeBytes);
    const lostBytes = sizeBytes - verdict.wholeBytes;
    log(
      `The last write to ${path} was cut off by a crash; took away what is there of it, ${lostBytes} bytes`,
    );
  }
}

type Verdict =
  | { readonly kind: "whole" }
  | { readonly kind: "cut"; readonly wholeBytes: number }
  | ({ readonly kind: "damaged" } & Breach);

interface JudgedFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly verdict: Verdict;
}

/**
 * The files that commands are appended to, in their order. Their base is not among them: it appears whole, by a
 * rename, and Redis compares its checksum. A manifest that cannot be read, Redis refuses itself.
 */
async function appendedFiles(folder: string): Promise<string[]> {
  const manifest = await readFile(join(folder, "appendonly.aof.manifest"), "utf8").catch(missingAsUndefined);
  const lines = manifest?.matchAll(/^file ([^\s/\\]+) seq \d+ type i\b/gm) ?? [];
  return [...lines].map(([, name]) => join(folder, name ?? ""));
}

/** Undefined when it is missing, which Redis refuses itself. */
async function judgeFile(path: string, signal: AbortSignal | undefined): Promise<JudgedFile | undefined> {
  const opened = await open(path, "r").catch(missingAsUndefined);
  if (opened === undefined) return undefined;
  await using handle = opened;
  const { size: sizeBytes } = await handle.stat();
  return { path, sizeBytes, verdict: await judge(handle, sizeBytes, signal) };
}

async function judge(
  handle: FileHandle,
  sizeBytes: number,
  signal: AbortSignal | undefined,
): Promise<Verdict> {
  const scanner = new CommandScanner();
  for await (const { piece } of piecesOf(handle, 0, signal)) {
    const breach = scanner.feed(piece);
    if (breach === undefined) continue;
    // After a loss of power the file may have its new length and nothing in it yet.
    const isUnwritten = await isZeroFrom(handle, breach.at, signal);
    return isUnwritten ? { kind: "cut", wholeBytes: scanner.wholeBytes } : { kind: "damaged", ...breach };
  }
  const { wholeBytes, openValueAt } = scanner;
  if (wholeBytes === sizeBytes) return { kind: "whole" };
  const swallowed = openValueAt === undefined ? undefined : await nextCommand(handle, openValueAt, signal);
  return swallowed === undefined
    ? { kind: "cut", wholeBytes }
    : { kind: "damaged", at: swallowed, what: "a value has swallowed the next command" };
}

async function isZeroFrom(
  handle: FileHandle,
  from: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  for await (const { piece } of piecesOf(handle, from, signal)) {
    if (piece.some((byte) => byte !== 0)) return false;
  }
  return true;
}

/** Where a command begins behind `from`, as far as that can be told without reading what is between. */
async function nextCommand(
  handle: FileHandle,
  from: number,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  let before = "";
  for await (const { piece, at } of piecesOf(handle, from, signal)) {
    const text = before + piece.toString("latin1");
    const found = text.search(NEXT_COMMAND);
    if (found >= 0) return at - before.length + found;
    before = text.slice(-OVERLAP_BYTES);
  }
  return undefined;
}

/** A piece is good until the next one is asked for. */
async function* piecesOf(
  handle: FileHandle,
  from: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ readonly piece: Buffer; readonly at: number }> {
  const buffer = Buffer.allocUnsafe(PIECE_BYTES);
  let at = from;
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, PIECE_BYTES, at);
    if (bytesRead === 0) return;
    yield { piece: buffer.subarray(0, bytesRead), at };
    at += bytesRead;
  }
}

async function cutFile(path: string, lengthBytes: number): Promise<void> {
  await using handle = await open(path, "r+");
  await handle.truncate(lengthBytes);
  await handle.sync();
}

function damagedError(folder: string, { path, sizeBytes }: JudgedFile, { at, what }: Breach): BatonError {
  const place = `byte ${at} of ${sizeBytes}`;
  return new BatonError(
    "redis_unfit",
    `the data in ${folder} is damaged, and was left as it is: in ${path}, ${place}, ${what}. Put a backup of the folder in its place; or copy it, and then have redis-check-aof --fix throw away all that is behind the damage; or move it away to begin without data`,
  );
}

function missingAsUndefined(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}
