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

/** Entries `from` to `to` (inclusive; -1 is the last) of a run's log, packed or not. */
export async function readLog(
  redis: RedisClient,
  codec: Codec,
  id: RunId,
  from = 0,
  to = -1,
): Promise<readonly string[]> {
  const { log } = runKeys(id);
  const entries = await redis.lrangeBuffer(log, from, to);
  // The page of a log that was packed meanwhile is read again from the pack, and never the other way round.
  const [head] = from === 0 ? entries : await redis.lrangeBuffer(log, 0, 0);
  const first = head === undefined ? undefined : codec.openPack(id, head);
  if (first === undefined || !isPack(first)) return entries.map(String);
  const all = unpackLog([first]);
  return all.slice(from, to < 0 ? all.length + to + 1 : to + 1);
}

function isPack(entry: Buffer): boolean {
  return entry.subarray(0, ZSTD_MAGIC.length).equals(ZSTD_MAGIC);
}
