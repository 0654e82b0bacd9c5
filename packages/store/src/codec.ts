/**
 * How what belongs to the caller (conversation, spec, events, sentences of errors and waits) lies in Redis: as it is, or
 * sealed. All that the store writes and reads of it passes here.
 *
 * Sealed text is `~1.<key id>.<base64url>`, and no JSON begins so: what was written before there were keys stays readable
 * beside it. A packed conversation is `~p1.<key id>.` and the sealed bytes. A sentence may begin with anything, so one
 * that looks sealed and is not gets a space in front.
 *
 * Items are sealed so that the same one gives the same bytes, since `append` compares; all else is sealed afresh each time.
 */
import { BatonError, type RunId } from "@baton/core";
import { type Cipher, missingKey } from "./cipher.ts";

/** JSON texts. */
export type SealedText = "item" | "spec" | "events";

export interface Codec {
  /** What a worker must have to go on with what is written here, in the words of `CreateRun.needs`. */
  readonly needs: readonly string[];
  /** What a worker has who reads with this codec, in the same words. */
  readonly capabilities: readonly string[];
  seal(runId: RunId, what: SealedText, text: string): string;
  /** Throws `encryption_key_missing`, and `store_corrupt` for what was tampered with. */
  open(runId: RunId, what: SealedText, text: string): string;
  /** A sentence of an error or a wait; '' is none and stays so. */
  sealSentence(runId: RunId, sentence: string): string;
  openSentence(runId: RunId, text: string): string;
  sealPack(runId: RunId, pack: Buffer): Buffer;
  /** `entry` as it was before it was sealed; what is not sealed as a pack is given back as it is. */
  openPack(runId: RunId, entry: Buffer): Buffer;
  /** Digests by which the same body is known again, under any of the keys; the first is the one to keep. */
  digests(text: string): readonly string[];
}

const TILDE = "~".charCodeAt(0);
const TEXT_MARK = "~1.";
const PACK_MARK = Buffer.from("~p1.");
/** An id is short: what has no end to it here is none. */
const KEY_ID_CHARS_MAX = 32;

export function createCodec(cipher: Cipher | undefined): Codec {
  return cipher === undefined ? plainCodec : sealingCodec(cipher);
}

/** Without keys everything lies as it is, and this costs a look at the first character of what is read. */
export const plainCodec: Codec = {
  needs: [],
  capabilities: [],
  seal: (_runId, _what, text) => text,
  open(runId, _what, text) {
    if (text.charCodeAt(0) === TILDE) throw missingKey(splitText(runId, text).keyId, runId);
    return text;
  },
  sealSentence: (_runId, sentence) => (sentence.startsWith(TEXT_MARK) ? ` ${sentence}` : sentence),
  openSentence(runId, text) {
    if (text.startsWith(TEXT_MARK)) throw missingKey(splitText(runId, text).keyId, runId);
    return text;
  },
  sealPack: (_runId, pack) => pack,
  openPack(runId, entry) {
    if (isSealedPack(entry)) throw missingKey(splitPack(runId, entry).keyId, runId);
    return entry;
  },
  digests: () => [],
};

function sealingCodec(cipher: Cipher): Codec {
  const mark = `${TEXT_MARK}${cipher.keyId}.`;
  const packMark = Buffer.from(`${PACK_MARK.toString()}${cipher.keyId}.`);
  const openText = (runId: RunId, what: string, text: string): string => {
    const { keyId, sealed } = splitText(runId, text);
    return cipher.open(keyId, { runId, what }, sealed).toString();
  };
  return {
    needs: [needOf(cipher.keyId)],
    capabilities: cipher.keyIds.map(needOf),
    seal(runId, what, text) {
      const sealed = cipher.seal({ runId, what }, text, what === "item" ? "same" : "fresh");
      return mark + sealed.toString("base64url");
    },
    open: (runId, what, text) => (text.charCodeAt(0) === TILDE ? openText(runId, what, text) : text),
    sealSentence(runId, sentence) {
      if (sentence === "") return "";
      return mark + cipher.seal({ runId, what: "sentence" }, sentence, "fresh").toString("base64url");
    },
    openSentence: (runId, text) => (text.startsWith(TEXT_MARK) ? openText(runId, "sentence", text) : text),
    sealPack: (runId, pack) => Buffer.concat([packMark, cipher.seal({ runId, what: "pack" }, pack, "fresh")]),
    openPack(runId, entry) {
      if (!isSealedPack(entry)) return entry;
      const { keyId, sealed } = splitPack(runId, entry);
      return cipher.open(keyId, { runId, what: "pack" }, sealed);
    },
    digests: (text) => cipher.digests(text),
  };
}

function needOf(keyId: string): string {
  return `key:${keyId}`;
}

function splitText(runId: RunId, text: string): { readonly keyId: string; readonly sealed: Buffer } {
  const dot = text.indexOf(".", TEXT_MARK.length);
  if (!text.startsWith(TEXT_MARK) || dot < 0) throw unknownForm(runId);
  return {
    keyId: text.slice(TEXT_MARK.length, dot),
    sealed: Buffer.from(text.slice(dot + 1), "base64url"),
  };
}

function isSealedPack(entry: Buffer): boolean {
  return entry[0] === TILDE && entry.subarray(0, PACK_MARK.length).equals(PACK_MARK);
}

function splitPack(runId: RunId, entry: Buffer): { readonly keyId: string; readonly sealed: Buffer } {
  const dot = entry.indexOf(".", PACK_MARK.length);
  if (dot < 0 || dot > PACK_MARK.length + KEY_ID_CHARS_MAX) throw unknownForm(runId);
  return { keyId: entry.toString("latin1", PACK_MARK.length, dot), sealed: entry.subarray(dot + 1) };
}

function unknownForm(runId: RunId): BatonError {
  const message = `${runId} is encrypted in a form that is not known here: a newer version wrote it, or it was changed`;
  return new BatonError("store_corrupt", message, { fields: { runId } });
}
