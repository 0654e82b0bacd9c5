import type { Part } from "@baton/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { wellFormedPart } from "./well-formed.ts";

const units = fc
  .array(fc.oneof(fc.integer({ min: 0xd7f0, max: 0xe010 }), fc.constantFrom(0x22, 0x5c, 0x75, 0x64, 0x38)))
  .map((all) => String.fromCharCode(...all));

/** As JSON has it: a half of a character is told by its escape, and whole ones are not escaped. */
function wholeTexts(value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wholeTexts);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key.toWellFormed(), wholeTexts(one)]));
}

const asCall = (args: Extract<Part, { type: "tool_call" }>["arguments"]): Part => ({
  ...{ type: "tool_call", callId: "c", name: "f", arguments: args },
});

test("all text of a reply is whole, and what was whole stays", () => {
  const value = fc.dictionary(
    units,
    fc.oneof(units, fc.array(units), fc.dictionary(units, units), fc.double()),
  );
  fc.assert(
    fc.property(units, value, (text, given) => {
      const whole = JSON.parse(JSON.stringify(given)) as Record<string, unknown>;
      for (const type of ["text", "reasoning"] as const)
        expect(wellFormedPart({ type, text })).toEqual({ type, text: text.toWellFormed() });
      expect(wellFormedPart(asCall({ kind: "invalid", raw: text }))).toEqual(
        asCall({ kind: "invalid", raw: text.toWellFormed() }),
      );
      expect(wellFormedPart(asCall({ kind: "object", value: whole }))).toEqual(
        asCall({ kind: "object", value: wholeTexts(whole) as Record<string, unknown> }),
      );
    }),
  );
});

test("what a vendor must get back, and what has nothing to mend, is the same thing", () => {
  const native = { text: "\ud83d" };
  expect(wellFormedPart({ type: "reasoning", text: "\ud83d", native })).toEqual({
    ...{ type: "reasoning", text: "\ufffd", native },
  });
  const args = { kind: "object" as const, value: { q: "\\ud83d \u{1f600}" } };
  expect(wellFormedPart(asCall(args))).toEqual(asCall(args));
});
