import { newRunId } from "@baton/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createCodec, plainCodec } from "./codec.ts";
import { systemIds } from "./testing/make-run.ts";
import { testCipher } from "./testing/test-cipher.ts";

const id = newRunId(0, systemIds);
const codec = createCodec(testCipher("k2", "k1"));
const older = createCodec(testCipher("k1"));
const missing = expect.objectContaining({
  code: "encryption_key_missing",
  message: expect.stringContaining("k2"),
});
const corrupt = expect.objectContaining({ code: "store_corrupt" });

test("text is sealed as its mark, its key's id and base64url, which no JSON begins with", () => {
  expect(codec.seal(id, "item", '{"a":1}')).toMatch(/^~1\.k2\.[A-Za-z0-9_-]+$/);
});

test("an item gives the same bytes each time, which append compares; everything else gives other ones", () => {
  expect(codec.seal(id, "item", "{}")).toBe(codec.seal(id, "item", "{}"));
  expect(codec.seal(id, "spec", "{}")).not.toBe(codec.seal(id, "spec", "{}"));
  expect(codec.seal(id, "events", "[]")).not.toBe(codec.seal(id, "events", "[]"));
  expect(codec.sealSentence(id, "no")).not.toBe(codec.sealSentence(id, "no"));
});

test.each([
  ["with keys", codec],
  ["without keys", plainCodec],
])("any JSON, sentence and pack comes back as it was, %s", (_how, by) => {
  fc.assert(
    fc.property(fc.json(), fc.string({ unit: "grapheme" }), fc.uint8Array(), (json, sentence, bytes) => {
      for (const what of ["item", "spec", "events"] as const) {
        expect(by.open(id, what, by.seal(id, what, json))).toBe(json);
      }
      expect(by.openSentence(id, by.sealSentence(id, sentence))).toBe(sentence);
      const pack = Buffer.from([0x28, ...bytes]);
      expect(by.openPack(id, by.sealPack(id, pack))).toEqual(pack);
    }),
  );
});

test("without keys everything lies as it is", () => {
  const pack = Buffer.from("pack");
  expect(plainCodec.seal(id, "item", "{}")).toBe("{}");
  expect(plainCodec.sealSentence(id, "no")).toBe("no");
  expect(plainCodec.sealPack(id, pack)).toBe(pack);
});

test("what was written before there were keys stays readable", () => {
  expect(codec.open(id, "item", '{"a":1}')).toBe('{"a":1}');
  expect(codec.openSentence(id, "it failed")).toBe("it failed");
  expect(codec.openPack(id, Buffer.from('{"a":1}'))).toEqual(Buffer.from('{"a":1}'));
});

describe.each([
  ["a process without keys", plainCodec],
  ["a process without that key", older],
])("%s", (_who, reader) => {
  test("is told which key it lacks, whatever it reads", () => {
    expect(() => reader.open(id, "item", codec.seal(id, "item", "{}"))).toThrow(missing);
    expect(() => reader.openSentence(id, codec.sealSentence(id, "no"))).toThrow(missing);
    expect(() => reader.openPack(id, codec.sealPack(id, Buffer.from("x")))).toThrow(missing);
  });
});

test("an old key still opens what it sealed", () => {
  expect(codec.open(id, "spec", older.seal(id, "spec", "{}"))).toBe("{}");
  expect(codec.openPack(id, older.sealPack(id, Buffer.from("x")))).toEqual(Buffer.from("x"));
});

test.each(["~", "~1.", "~1.k2", "~2.k2.AAAA", "~1.k2.AAAA"])("%s is damaged, and no text", (text) => {
  expect(() => codec.open(id, "item", text)).toThrow(corrupt);
});

test("damage is told apart from a missing key by a process without keys, too", () => {
  expect(() => plainCodec.open(id, "item", "~2.k2.AAAA")).toThrow(corrupt);
});

test("a pack whose key's id has no end is damaged", () => {
  expect(() => codec.openPack(id, Buffer.from("~p1.k2"))).toThrow(corrupt);
});

test("a sentence that a model made to look sealed is a sentence", () => {
  for (const by of [plainCodec, codec]) {
    const told = by.openSentence(id, by.sealSentence(id, "~1.k9.AAAA"));
    expect(told.trimStart()).toBe("~1.k9.AAAA");
  }
});

test("no sentence is none", () => {
  expect(codec.sealSentence(id, "")).toBe("");
  expect(codec.openSentence(id, "")).toBe("");
});

test("what is written needs the key that seals, and a reader has all of its keys", () => {
  expect(codec).toMatchObject({ needs: ["key:k2"], capabilities: ["key:k2", "key:k1"] });
  expect(plainCodec).toMatchObject({ needs: [], capabilities: [] });
});
