/**
 * The text of an API key: `bk_<id>_<secret>`. The secret is 256 random bits; its last six characters are a checksum of the
 * whole, so that a typing error is told from a key that is not known, and a scanner tells a key from text that looks like
 * one.
 *
 * - What is stored is the SHA-256 of the text. A slow hash is for what people choose: nobody finds 256 random bits by
 *   trying, however fast the tries are, and a slow one would make each request dear, a wrong one's too.
 * - The id is no secret: it stands in lists, logs and names of namespaces.
 */
import { hash, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import type { IdSource } from "@baton/core";

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_CHARS = 12;
const SECRET_BYTES = 32;
/** 62 to the power of 43 is more than 2 to the power of 256. */
const SECRET_CHARS = 43;
const CHECK_CHARS = 6;

export const API_KEY_ID = new RegExp(`^[0-9a-z]{${ID_CHARS}}$`);
const API_KEY = new RegExp(
  `^(bk_([0-9a-z]{${ID_CHARS}})_[0-9A-Za-z]{${SECRET_CHARS}})([0-9A-Za-z]{${CHECK_CHARS}})$`,
);

export interface NewApiKey {
  readonly id: string;
  /** Shown once, and kept nowhere. */
  readonly text: string;
}

export function newApiKey(source: Pick<IdSource, "random">): NewApiKey {
  // 36 characters and 256 bytes: a few of them come a little oftener, which an id may do.
  const id = Array.from(source.random(ID_CHARS), (byte) => DIGITS[byte % 36] ?? "")
    .join("")
    .toLowerCase();
  const secret = BigInt(`0x${Buffer.from(source.random(SECRET_BYTES)).toString("hex")}`);
  const unchecked = `bk_${id}_${base62(secret, SECRET_CHARS)}`;
  return { id, text: unchecked + checkOf(unchecked) };
}

/** The id of a key, when the text is one; whether it is known, and its secret right, is another question. */
export function apiKeyIdOf(text: string): string | undefined {
  const [, unchecked = "", id, check] = API_KEY.exec(text) ?? [];
  return id !== undefined && check === checkOf(unchecked) ? id : undefined;
}

export function hashApiKey(text: string): string {
  return hash("sha256", text);
}

/** Compares in the same time, wherever the two differ. */
export function isSameKey(text: string, hashed: string): boolean {
  const own = Buffer.from(hashApiKey(text));
  const other = Buffer.from(hashed);
  return own.length === other.length && timingSafeEqual(own, other);
}

function checkOf(text: string): string {
  return base62(BigInt(crc32(text)), CHECK_CHARS);
}

function base62(number: bigint, length: number): string {
  let rest = number;
  let text = "";
  for (let place = 0; place < length; place += 1) {
    text = (DIGITS[Number(rest % 62n)] ?? "") + text;
    rest /= 62n;
  }
  return text;
}
