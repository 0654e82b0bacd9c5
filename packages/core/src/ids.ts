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
  let time = source.now();
  let head = "";
  for (let place = 0; place < 10; place += 1) {
    head = (CROCKFORD[time % 32] ?? "") + head;
    time = Math.floor(time / 32);
  }
  let tail = "";
  for (const byte of source.random(16)) tail += CROCKFORD[byte % 32] ?? "";
  return head + tail;
}

function randomText(length: number, source: IdSource): string {
  let text = "";
  for (const byte of source.random(length)) text += URL_SAFE[byte % 64] ?? "";
  return text;
}
