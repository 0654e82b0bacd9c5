/**
 * The conversation of a run that has succeeded changes no more and is kept for days, so a long one is packed: its list
 * has one entry, all items compressed with Zstandard. Readers do not see the difference. What may go on (a failed or
 * cancelled run can be retried) is never packed, so the scripts that write to a log never meet a pack (R3).
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { Item, RunId } from "@baton/core";
import type { Codec } from "./codec.ts";
import { runKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";

/** Shorter ones would hardly get smaller for the time that it takes. */
const PACKED_BYTES_MIN = 8_192;
/** No conversation comes near it: more would be a bomb, or damage. */
const UNPACKED_BYTES_MAX = 1_024 * 1_024 * 1_024;
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** The one entry that stands for all items; undefined when it is not worth while. */
export function packLog(items: readonly Item[]): Buffer | undefined {
  if (items.length < 2) return undefined;
  // JSON escapes line breaks, so that one ends an item.
  const lines = Buffer.from(items.map((item) => JSON.stringify(item)).join("\n"));
  if (lines.length < PACKED_BYTES_MIN) return undefined;
  return zstdCompressSync(lines, { params: { [constants.ZSTD_c_compressionLevel]: 3 } });
}

/** The items as they were written one by one, of the entries of a log from its beginning. */
export function unpackLog(entries: readonly Buffer[]): readonly string[] {
  const [first] = entries;
  if (first === undefined || !isPack(first)) return entries.map(String);
  return zstdDecompressSync(first, { maxOutputLength: UNPACKED_BYTES_MAX }).toString().split("\n");
}

/** Entries that are asked for at once when it is not known how long they are: no more than these are read in vain. */
const SLICE = 16;

/**
 * Entries `from` to `to` (inclusive; -1 is the last) of a run's log, packed or not. With `bytesMax`, and a `to` that is
 * counted from the start: only as many as fit, and one at least.
 */
export async function readLog(
  redis: RedisClient,
  codec: Codec,
  id: RunId,
  from = 0,
  to = -1,
  bytesMax?: number,
): Promise<readonly string[]> {
  const { log } = runKeys(id);
  const entries =
    bytesMax === undefined
      ? await redis.lrangeBuffer(log, from, to)
      : await fittingRange(redis, log, { from, to, bytesMax });
  // The page of a log that was packed meanwhile is read again from the pack, and never the other way round.
  const [head] = from === 0 ? entries : await redis.lrangeBuffer(log, 0, 0);
  const first = head === undefined ? undefined : codec.openPack(id, head);
  if (first === undefined || !isPack(first)) return entries.map(String);
  const all = unpackLog([first]);
  return fitting(all.slice(from, to < 0 ? all.length + to + 1 : to + 1), bytesMax);
}

async function fittingRange(
  redis: RedisClient,
  log: string,
  { from, to, bytesMax }: { readonly from: number; readonly to: number; readonly bytesMax: number },
): Promise<readonly Buffer[]> {
  const entries: Buffer[] = [];
  for (let at = from; at <= to; at += SLICE) {
    const slice = await redis.lrangeBuffer(log, at, Math.min(to, at + SLICE - 1));
    entries.push(...slice);
    const some = fitting(entries, bytesMax);
    if (slice.length < SLICE || some.length < entries.length) return some;
  }
  return entries;
}

/** As many of the first ones as fit, and one at least. */
function fitting<Entry extends string | Buffer>(
  entries: readonly Entry[],
  bytesMax = Number.POSITIVE_INFINITY,
): readonly Entry[] {
  let bytes = 0;
  for (const [place, { length }] of entries.entries()) {
    bytes += length;
    if (place > 0 && bytes > bytesMax) return entries.slice(0, place);
  }
  return entries;
}

function isPack(entry: Buffer): boolean {
  return entry.subarray(0, ZSTD_MAGIC.length).equals(ZSTD_MAGIC);
}
