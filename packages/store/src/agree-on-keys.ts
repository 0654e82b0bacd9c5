/**
 * Which encryption keys a store is written with. A process without the newest one could not read what others write, and
 * one without any would write in clear what others seal: both are refused when they connect. Older keys may be missing
 * once nothing is left that was sealed with them.
 *
 * A hash of the whole store: key id → `<time> <proof>`; the time at which the first process came that seals with it, by
 * Redis' clock, and a proof by which another key of the same id is told apart.
 */
import { BatonError } from "@baton/core";
import type { Cipher } from "./cipher.ts";
import { encryptionKey } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import { defineScripts, type RunScript } from "./scripts.ts";

/** Each look but the last one finds a key that is new. */
const LOOKS_MAX = 20;

/** A key that the store was written with. */
export interface StoreKey {
  readonly id: string;
  /** Redis' time, in milliseconds. */
  readonly since: number;
  readonly proof: string;
}

/** The newest first; none: nothing was ever sealed. */
export async function readStoreKeys(redis: RedisClient): Promise<readonly StoreKey[]> {
  const fields = await redis.hgetall(encryptionKey());
  return Object.entries(fields)
    .map(([id, text]) => {
      const [since = "", proof = ""] = text.split(" ");
      return { id, since: Number(since), proof };
    })
    .sort((a, b) => b.since - a.since || b.id.localeCompare(a.id));
}

/**
 * Checks the keys of this process against those of the store, and adds the one that seals. Throws
 * `encryption_key_missing`, and `invalid_config` for another key under a known id. `run` calls the scripts on `redis`;
 * tests pass one that repeats calls.
 */
export async function agreeOnKeys(
  redis: RedisClient,
  cipher: Cipher | undefined,
  run: RunScript = defineScripts(redis),
): Promise<void> {
  for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
    const known = await readStoreKeys(redis);
    checkKeys(known, cipher);
    if (cipher === undefined || known.some(({ id }) => id === cipher.keyId)) return;
    // Whoever comes at the same time with another key is met by the next look: one of the two is the first.
    const proof = cipher.proofOf(cipher.keyId) ?? "";
    const [said] = await run("agree", [encryptionKey()], [cipher.keyId, proof, String(known.length)]);
    if (said === "added") return;
  }
  throw new BatonError(
    "redis_unfit",
    "the encryption keys of this store change all the time: start its processes with the same BATON_ENCRYPTION_KEYS",
  );
}

/** Throws as `agreeOnKeys` does. `known`: the newest first. */
export function checkKeys(known: readonly StoreKey[], cipher: Cipher | undefined): void {
  const [newest] = known;
  if (newest === undefined) return;
  for (const { id, proof } of known) {
    const own = cipher?.proofOf(id);
    if (own === undefined || own === proof) continue;
    throw new BatonError(
      "invalid_config",
      `the encryption key ${id} is not the one that this store was written with: give that one, and a new key a new id`,
      { fields: { keyId: id } },
    );
  }
  if (cipher?.proofOf(newest.id) !== undefined) return;
  throw new BatonError(
    "encryption_key_missing",
    `this store is encrypted with the key ${newest.id}, which is not given here: set BATON_ENCRYPTION_KEYS as the other processes have it`,
    { fields: { keyId: newest.id } },
  );
}
