import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { API_KEY_ID, apiKeyIdOf, hashApiKey, isSameKey, newApiKey } from "./api-key-text.ts";

const source = { random: (size: number) => randomBytes(size) };
const filledWith = (byte: number) => ({ random: (size: number) => new Uint8Array(size).fill(byte) });

test("a key says its id, and is as long whatever its bytes are", () => {
  for (const key of [newApiKey(source), newApiKey(filledWith(0)), newApiKey(filledWith(255))]) {
    expect(key.text).toMatch(/^bk_[0-9a-z]{12}_[0-9A-Za-z]{49}$/);
    expect(key.id).toMatch(API_KEY_ID);
    expect(apiKeyIdOf(key.text)).toBe(key.id);
  }
});

test("all 256 bits of the secret stand in the text", () => {
  const texts = Array.from({ length: 256 }, (_, bit) => {
    const secret = new Uint8Array(32);
    secret[bit >> 3] = 1 << (bit & 7);
    return newApiKey({ random: (size) => (size === 32 ? secret : new Uint8Array(size)) }).text.slice(16, -6);
  });
  expect(new Set(texts).size).toBe(256);
  expect(texts).not.toContain("0".repeat(43));
});

test("one wrong character anywhere, or two that changed places, is no key", () => {
  const { text } = newApiKey(source);
  for (let place = 0; place < text.length; place += 1) {
    const other = text[place] === "7" ? "8" : "7";
    expect(apiKeyIdOf(text.slice(0, place) + other + text.slice(place + 1)), `at ${place}`).toBeUndefined();
  }
  const place = [...text].findIndex((letter, at) => at > 16 && letter !== text[at + 1]);
  const swapped = text.slice(0, place) + text[place + 1] + text[place] + text.slice(place + 2);
  expect(apiKeyIdOf(swapped)).toBeUndefined();
});

test.each(["", "bk_", "sk-ant-api03", `${newApiKey(source).text}x`, ` ${newApiKey(source).text}`, "bk__"])(
  "%j is no key",
  (text) => expect(apiKeyIdOf(text)).toBeUndefined(),
);

test("the hash is SHA-256 of the whole text, and another text does not match it", () => {
  const [own, other] = [newApiKey(source).text, newApiKey(source).text];
  expect(hashApiKey(own)).toBe(createHash("sha256").update(own).digest("hex"));
  expect(isSameKey(own, hashApiKey(own))).toBe(true);
  expect(isSameKey(other, hashApiKey(own))).toBe(false);
  expect(isSameKey(own, "short")).toBe(false);
});
