/**
 * Sealing with AES-256-GCM. What is sealed is bound to its key and its place (the run and what it is there), so that
 * it opens nowhere else; each run has a key of its own, made from the given one.
 *
 * A nonce must not come twice under a key, for another text. `fresh` ones are random. `same` ones are told from the
 * place and the text by a keyed hash, so the same text at the same place gives the same bytes, as the scripts need that
 * compare what is there with what is sent again (R1, R3); whoever reads Redis learns that two texts at one place are
 * equal, and nothing else. docs/encryption.md has the bounds.
 */
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { BatonError, type RunId } from "@baton/core";
import type { EncryptionKey } from "./encryption-keys.ts";

/** Where something is sealed; it opens there alone. */
export interface Place {
  readonly runId: RunId;
  /** What it is there: `item`, `spec`, … */
  readonly what: string;
}

export interface CipherOptions {
  /** The first seals, all open. */
  readonly keys: readonly EncryptionKey[];
  /** Must not be guessable: for nonces. */
  readonly random: (size: number) => Uint8Array;
}

/** Names the scheme: what another version of it would seal, this one does not take for its own. */
const SCHEME = "baton encryption 1";
const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Of 256 bits, as many as fit a short text; nobody finds a second key or text for them. */
const PROOF_CHARS = 22;

interface DerivedKeys {
  readonly id: string;
  /** Keys of runs are made from it. */
  readonly runs: KeyObject;
  readonly nonces: KeyObject;
  readonly digests: KeyObject;
  readonly proof: string;
}

/** Undefined without keys: then nothing is encrypted. */
export function cipherOf(options: CipherOptions): Cipher | undefined {
  const [first] = options.keys;
  return first === undefined ? undefined : new Cipher(first, options);
}

export class Cipher {
  readonly #random: CipherOptions["random"];
  readonly #sealing: DerivedKeys;
  readonly #keys: ReadonlyMap<string, DerivedKeys>;

  /** `sealing`: the first of the keys. */
  constructor(sealing: EncryptionKey, { keys, random }: CipherOptions) {
    this.#random = random;
    this.#sealing = derive(sealing);
    this.#keys = new Map(keys.map((key) => [key.id, derive(key)]));
  }

  /** Of the key that seals. */
  get keyId(): string {
    return this.#sealing.id;
  }

  /** Of all keys, the one that seals first. */
  get keyIds(): readonly string[] {
    return [...this.#keys.keys()];
  }

  /** Nonce, what was sealed, and tag, under the key that seals. */
  seal(place: Place, plain: string | Buffer, nonceKind: "fresh" | "same"): Buffer {
    const keys = this.#sealing;
    const context = contextOf(keys, place);
    const nonce = nonceKind === "fresh" ? this.#random(NONCE_BYTES) : nonceOf(keys, context, plain);
    const cipher = createCipheriv(ALGORITHM, runKey(keys, place), nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(context);
    const sealed = typeof plain === "string" ? cipher.update(plain, "utf8") : cipher.update(plain);
    return Buffer.concat([nonce, sealed, cipher.final(), cipher.getAuthTag()]);
  }

  /** Throws `encryption_key_missing`, and `store_corrupt` for what was not sealed so, here. */
  open(keyId: string, place: Place, sealed: Buffer): Buffer {
    const keys = this.#keys.get(keyId);
    if (keys === undefined) throw missingKey(keyId, place.runId);
    if (sealed.length < NONCE_BYTES + TAG_BYTES) throw notOurs(place);
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const end = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv(ALGORITHM, runKey(keys, place), nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(contextOf(keys, place));
    decipher.setAuthTag(sealed.subarray(end));
    const plain = decipher.update(sealed.subarray(NONCE_BYTES, end));
    try {
      return Buffer.concat([plain, decipher.final()]);
    } catch (cause) {
      throw notOurs(place, cause);
    }
  }

  /** A digest of the text under each key, that of the key that seals first. */
  digests(text: string): readonly string[] {
    return [...this.#keys.values()].map(({ digests }) => hmac(digests, text).toString("base64url"));
  }

  /** By which the key of an id is told from another of the same id; nothing can be opened with it. */
  proofOf(keyId: string): string | undefined {
    return this.#keys.get(keyId)?.proof;
  }
}

/** What was sealed with a key that this process lacks. */
export function missingKey(keyId: string, runId: RunId): BatonError {
  return new BatonError(
    "encryption_key_missing",
    `${runId} is encrypted with the key ${keyId}, which is not given here: add it to BATON_ENCRYPTION_KEYS`,
    { fields: { runId, keyId } },
  );
}

function notOurs({ runId, what }: Place, cause?: unknown): BatonError {
  const message = `the ${what} of ${runId} cannot be decrypted: it was changed, or moved here from elsewhere`;
  return new BatonError("store_corrupt", message, { cause, fields: { runId } });
}

/** One key for each use, so that none says anything of another. */
function derive({ id, secret }: EncryptionKey): DerivedKeys {
  const use = (name: string): Buffer => hmac(secret, `${SCHEME} ${name}`);
  return {
    id,
    runs: createSecretKey(use("runs")),
    nonces: createSecretKey(use("nonces")),
    digests: createSecretKey(use("digests")),
    proof: use("proof").toString("base64url").slice(0, PROOF_CHARS),
  };
}

function runKey({ runs }: DerivedKeys, { runId }: Place): Buffer {
  return hmac(runs, runId);
}

/** Neither ids nor words have line breaks, so no two places have the same one. */
function contextOf({ id }: DerivedKeys, { runId, what }: Place): Buffer {
  return Buffer.from(`${SCHEME}\n${id}\n${runId}\n${what}\n`);
}

function nonceOf({ nonces }: DerivedKeys, context: Buffer, plain: string | Buffer): Buffer {
  return createHmac("sha256", nonces).update(context).update(plain).digest().subarray(0, NONCE_BYTES);
}

function hmac(key: KeyObject, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
