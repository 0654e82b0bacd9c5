/**
 * Identifiers. A run id is `r_<shard>_<ulid>`: the shard says on which Redis hash tag the run lives, the ULID
 * sorts by time of creation. None of them holds a colon, because BullMQ refuses those in job ids.
 */
import { z } from "zod";

export const runIdSchema = z
  .string()
  .regex(/^r_\d{1,3}_[0-9A-HJKMNP-TV-Z]{26}$/, "a run id looks like r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V")
  .brand<"RunId">();
export type RunId = z.infer<typeof runIdSchema>;

/** Random mark of one claim; with the epoch it is the fence that every write of a worker carries (R2). */
export type ClaimId = string & z.$brand<"ClaimId">;
/** Random mark of one command, so that a script that is sent twice has the effect of once (R1). Seven characters. */
export type OperationId = string & z.$brand<"OperationId">;

/** Where ids and their randomness come from; tests pass seeded ones. */
export interface IdSource {
  readonly now: () => number;
  /** Returns `size` random bytes. */
  readonly random: (size: number) => Uint8Array;
}

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

export function newRunId(shard: number, source: IdSource): RunId {
  // The cast is the constructor of the brand: the text is built to the schema's form.
  return `r_${shard}_${ulid(source)}` as RunId;
}

/** The most shards that a store can have: a run id has three digits for its own. */
export const SHARDS_MAX = 256;

/**
 * The id of a new run of a store of `shards` shards. What has a key (an idempotency key, or batch and custom id) always
 * falls into the key's own shard, because that is where the key is looked up (R8); any other run falls anywhere.
 */
export function placeRun(
  where: { readonly shards: number; readonly key?: string | undefined },
  source: IdSource,
): RunId {
  const { shards, key } = where;
  if (shards === 1) return newRunId(0, source);
  if (key !== undefined) return newRunId(shardOfKey(key, shards), source);
  const [low = 0, high = 0] = source.random(2);
  return newRunId((low + 256 * high) % shards, source);
}

/**
 * The shard of a key: FNV-1a over its UTF-8, mixed, modulo the number of shards. Every process and every release must
 * give the same answer as long as a store lives, so this never changes.
 */
export function shardOfKey(key: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(key)) hash = Math.imul(hash ^ byte, 0x01000193);
  // The low bits of FNV-1a depend on the low bits of the bytes alone.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % shards;
}

/** Lines of a batch that keep their order by run id. */
export const BATCH_LINES_MAX = 32 ** 7;

/**
 * The run of a batch's line: ids of a batch, which was made `at` that time (milliseconds), sort in the order of its
 * lines. `line` counts from 0.
 */
export function newBatchRunId(
  shard: number,
  place: { readonly at: number; readonly line: number },
  source: Pick<IdSource, "random">,
): RunId {
  // The cast is the constructor of the brand: the text is built to the schema's form.
  return `r_${shard}_${base32(place.at, 10)}${base32(place.line, 7)}${randomBase32(9, source)}` as RunId;
}

export function newClaimId(source: IdSource): ClaimId {
  return randomText(12, source) as ClaimId;
}

export function newOperationId(source: IdSource): OperationId {
  return randomText(7, source) as OperationId;
}

export function shardOf(id: RunId): number {
  return Number(id.slice(2, id.indexOf("_", 2)));
}

/** BullMQ's job id of one queue entry: deterministic, so that adding it twice adds it once. */
export function jobIdOf(id: RunId, ticket: number): string {
  return `${id}-${ticket}`;
}

function ulid(source: IdSource): string {
  return base32(source.now(), 10) + randomBase32(16, source);
}

function base32(number: number, length: number): string {
  let rest = number;
  let text = "";
  for (let place = 0; place < length; place += 1) {
    text = (CROCKFORD[rest % 32] ?? "") + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

function randomBase32(length: number, source: Pick<IdSource, "random">): string {
  let text = "";
  for (const byte of source.random(length)) text += CROCKFORD[byte % 32] ?? "";
  return text;
}

function randomText(length: number, source: IdSource): string {
  let text = "";
  for (const byte of source.random(length)) text += URL_SAFE[byte % 64] ?? "";
  return text;
}
