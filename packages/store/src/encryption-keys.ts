/**
 * The keys that what is written to Redis is sealed with, as BATON_ENCRYPTION_KEYS has them:
 * `<id>:<base64 of 32 bytes>[,<id>:<base64>…]`. The first one seals and all of them open, so that keys can be changed
 * while runs go on. No error quotes what was given but the id (R9).
 */
import { createSecretKey, type KeyObject } from "node:crypto";
import { BatonError } from "@baton/core";

export interface EncryptionKey {
  /** Stands beside all that was sealed with the key, in clear. */
  readonly id: string;
  readonly secret: KeyObject;
}

const KEYS_MAX = 16;
const KEY_BYTES = 32;
/** What such a key looks like when its id is missing is too long for an id. */
const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;
/** The padding may be left out, and the alphabet of URLs is taken too. */
const BASE64 = /^[A-Za-z0-9+/_-]{43}=?$/;

/** Throws `invalid_config`. */
export function parseEncryptionKeys(text: string): readonly EncryptionKey[] {
  const entries = text.split(",").map((entry) => entry.trim());
  if (entries.length > KEYS_MAX) throw invalid(`${entries.length} keys are given: use at most ${KEYS_MAX}`);
  const keys = entries.map((entry, index) => parseKey(entry, index + 1));
  const ids = new Set(keys.map(({ id }) => id));
  if (ids.size < keys.length) throw invalid("two keys have the same id: each needs one of its own");
  return keys;
}

function parseKey(entry: string, place: number): EncryptionKey {
  const colon = entry.indexOf(":");
  const id = entry.slice(0, Math.max(0, colon));
  if (!KEY_ID.test(id)) {
    throw invalid(
      `key ${place} has no id, or one that is not 1 to 32 letters, digits, - or _: write it as <id>:<key>`,
    );
  }
  const secret = entry.slice(colon + 1);
  if (!BASE64.test(secret)) {
    throw invalid(
      `key ${id} is not ${KEY_BYTES} bytes in base64: make one with \`openssl rand -base64 ${KEY_BYTES}\``,
    );
  }
  return { id, secret: createSecretKey(Buffer.from(secret, "base64")) };
}

function invalid(why: string): BatonError {
  return new BatonError(
    "invalid_config",
    `the encryption keys (BATON_ENCRYPTION_KEYS) cannot be used: ${why}`,
  );
}
