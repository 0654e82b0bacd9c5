import { newRunId } from "@baton/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cipherOf, type Place } from "./cipher.ts";
import { systemIds } from "./testing/make-run.ts";
import { testCipher, testKey } from "./testing/test-cipher.ts";

const place: Place = { runId: newRunId(0, systemIds), what: "item" };
const cipher = testCipher("k1");
const open = (sealed: Buffer, at: Place = place, by = cipher) => by.open("k1", at, sealed).toString();

test("without keys there is no cipher", () => {
  expect(cipherOf({ keys: [], random: systemIds.random })).toBeUndefined();
});

test("any text and any bytes come back as they were, and are not to be seen in what was sealed", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.constantFrom("fresh" as const, "same" as const),
      (text, kind) => {
        // Half of a character that has two halves is no text.
        const whole = text.toWellFormed();
        const sealed = cipher.seal(place, whole, kind);
        expect(open(sealed)).toBe(whole);
        expect(cipher.open("k1", place, cipher.seal(place, Buffer.from(whole), kind)).toString()).toBe(whole);
        if (whole.length > 8) expect(sealed.includes(whole)).toBe(false);
      },
    ),
  );
});

describe("the same text", () => {
  test("at the same place gives the same bytes, in another process too, when that is asked for", () => {
    const sealed = cipher.seal(place, "hello", "same");
    expect(testCipher("k1").seal(place, "hello", "same")).toEqual(sealed);
    expect(cipher.seal(place, Buffer.from("hello"), "same")).toEqual(sealed);
  });

  test("gives other bytes each time when it is sealed afresh", () => {
    const all = Array.from({ length: 50 }, () => cipher.seal(place, "hello", "fresh").toString("hex"));
    expect(new Set(all).size).toBe(50);
  });

  test("gives other bytes at another place, with another key, and another text another nonce", () => {
    const others = [
      cipher.seal(place, "hello", "same"),
      cipher.seal({ ...place, what: "spec" }, "hello", "same"),
      cipher.seal({ ...place, runId: newRunId(0, systemIds) }, "hello", "same"),
      testCipher("k1/other").seal(place, "hello", "same"),
      cipher.seal(place, "hellp", "same"),
    ];
    expect(new Set(others.map((sealed) => sealed.subarray(0, 12).toString("hex"))).size).toBe(5);
  });
});

test("each run has a key of its own: even under the same nonce, what is sealed in two differs", () => {
  const fixed = cipherOf({ keys: [testKey("k1")], random: (size) => new Uint8Array(size) });
  const [here, there] = [place, { ...place, runId: newRunId(0, systemIds) }].map((at) =>
    fixed?.seal(at, "hello", "fresh").subarray(12, 17),
  );
  expect(here).toHaveLength(5);
  expect(here).not.toEqual(there);
});

describe("what was sealed opens", () => {
  const sealed = cipher.seal(place, "hello", "same");

  test.each([
    ["in another run", { ...place, runId: newRunId(0, systemIds) }],
    ["as something else of its run", { ...place, what: "spec" }],
  ])("not %s", (_where, elsewhere) => {
    expect(() => open(sealed, elsewhere)).toThrow(expect.objectContaining({ code: "store_corrupt" }));
  });

  test("not when a bit of it was changed, or when it was cut", () => {
    fc.assert(
      fc.property(fc.nat({ max: sealed.length - 1 }), fc.nat({ max: 7 }), (at, bit) => {
        const changed = Buffer.from(sealed);
        changed.writeUInt8(sealed.readUInt8(at) ^ (1 << bit), at);
        expect(() => open(changed)).toThrow(expect.objectContaining({ code: "store_corrupt" }));
        expect(() => open(sealed.subarray(0, at))).toThrow(
          expect.objectContaining({ code: "store_corrupt" }),
        );
      }),
    );
  });

  test("not with other bytes under the same id", () => {
    expect(() => open(sealed, place, testCipher("k1/other"))).toThrow(
      expect.objectContaining({ code: "store_corrupt" }),
    );
  });

  test("with an old key beside the one that seals now", () => {
    const rotated = testCipher("k2", "k1");
    expect(rotated.keyId).toBe("k2");
    expect(rotated.keyIds).toEqual(["k2", "k1"]);
    expect(open(sealed, place, rotated)).toBe("hello");
    expect(rotated.open("k2", place, rotated.seal(place, "new", "fresh")).toString()).toBe("new");
  });

  test("not without its key, and the error names the key and what to do", () => {
    expect(() => open(sealed, place, testCipher("k2"))).toThrow(
      expect.objectContaining({
        code: "encryption_key_missing",
        message: expect.stringMatching(/key k1.*BATON_ENCRYPTION_KEYS/),
      }),
    );
  });
});

test("a body has a digest under each key, by which it is known again after a change of keys", () => {
  const [old] = cipher.digests("body");
  expect(testCipher("k2", "k1").digests("body")).toContain(old);
  expect(testCipher("k2", "k1").digests("body")[0]).not.toBe(old);
  expect(cipher.digests("other")).not.toContain(old);
});
