import fc from "fast-check";
import { expect, test } from "vitest";
import { wireIds, wireName } from "./wire-id.ts";

const FITS = /^[a-zA-Z0-9_-]{1,64}$/;

test("what fits is left as it is", () => {
  expect(wireName("toolu_01-Abc")).toBe("toolu_01-Abc");
});

test("what does not fit is rewritten to something that does, always the same", () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      expect(wireName(name)).toMatch(FITS);
      expect(wireName(name)).toBe(wireName(name));
    }),
  );
});

test("the ids of a conversation are distinct, also when a server counts from 0 in each reply", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constantFrom("call_0", "call_0#2", "ä", "ö"), fc.string())),
      (callIds) => {
        const idOf = wireIds();
        const ids = callIds.map(idOf);
        expect(new Set(ids).size).toBe(ids.length);
        for (const id of ids) expect(id).toMatch(FITS);
      },
    ),
  );
});
