import { createSecretKey, hash } from "node:crypto";
import { type Cipher, cipherOf, type StoreKey } from "@baton/store";
import { expect, test } from "vitest";
import { encryptionFinding } from "./encryption-findings.ts";

function cipher(...names: readonly string[]): Cipher | undefined {
  const keys = names.map((name) => ({
    id: name.slice(0, 2),
    secret: createSecretKey(hash("sha256", name, "buffer")),
  }));
  return cipherOf({ keys, random: (size) => new Uint8Array(size) });
}

/** Of a store in which these came to seal, the newest first. */
const written = (...names: readonly string[]): readonly StoreKey[] =>
  names.map((name, index) => ({
    id: name.slice(0, 2),
    since: 100 - index,
    proof: cipher(name)?.proofOf(name.slice(0, 2)) ?? "",
  }));

test.each([
  ["no keys anywhere", written(), cipher(), "ok", /^off/],
  ["keys, and nothing sealed yet", written(), cipher("k1"), "ok", /^on: key k1 seals$/],
  ["the key of the store", written("k1"), cipher("k1"), "ok", /^on: key k1 seals$/],
  [
    "a new key and the old one",
    written("k2", "k1"),
    cipher("k2", "k1"),
    "ok",
    /k2 seals, and k1 can be read/,
  ],
  ["the new key alone", written("k2", "k1"), cipher("k2"), "warn", /also written with k1/],
  ["no keys for a store that has some", written("k1"), cipher(), "fail", /key k1/],
  ["the old key alone", written("k2", "k1"), cipher("k1"), "fail", /key k2/],
  ["another key of the same id", written("k1"), cipher("k1 changed"), "fail", /k1 is not the one/],
])("%s", (_what, known, own, status, found) => {
  expect(encryptionFinding(known, own)).toMatchObject({ status, found: expect.stringMatching(found) });
});
