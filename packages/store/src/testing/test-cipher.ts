/** Ciphers for tests, each key made from its id, so that two ciphers with the same id can read each other. */
import { createSecretKey, hash, randomBytes } from "node:crypto";
import { type Cipher, cipherOf } from "../cipher.ts";
import type { EncryptionKey } from "../encryption-keys.ts";

/** `<id>`, or `<id>/<variant>` for another key of the same id. */
export function testKey(name: string): EncryptionKey {
  return { id: name.split("/")[0] ?? name, secret: createSecretKey(hash("sha256", name, "buffer")) };
}

/** The first seals. */
export function testCipher(...names: readonly [string, ...string[]]): Cipher {
  const cipher = cipherOf({ keys: names.map(testKey), random: randomBytes });
  if (cipher === undefined) throw new Error("a cipher has a key");
  return cipher;
}

/** As BATON_ENCRYPTION_KEYS has them. */
export function testKeysText(...names: readonly string[]): string {
  return names
    .map((name) => `${testKey(name).id}:${testKey(name).secret.export().toString("base64")}`)
    .join();
}

/** For tests of what must hold however it lies in Redis: `describe.each(CLEAR_AND_ENCRYPTED)("… (%s)", (_how, cipher) => …)`. */
export const CLEAR_AND_ENCRYPTED: readonly (readonly [how: string, cipher: Cipher | undefined])[] = [
  ["in clear", undefined],
  ["encrypted", testCipher("k2", "k1")],
];
