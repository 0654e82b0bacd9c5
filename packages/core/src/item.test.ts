import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ITEM_VERSION, type Item, itemSchema, type Part, textOf } from "./item.ts";
import { modelIdSchema } from "./model-id.ts";

const model = modelIdSchema.parse("openai/gpt");
const json = fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value)));
/** zod leaves `__proto__` out, so that no argument can reach a prototype. */
const key = fc.string().filter((name) => name !== "__proto__");
const text = fc.record({ type: fc.constant("text" as const), text: fc.string() });
const file = fc.record({
  type: fc.constant("file" as const),
  mediaType: fc.constantFrom("image/png", "application/pdf"),
  source: fc.oneof(
    fc.webUrl().map((url) => ({ kind: "url" as const, url })),
    fc.base64String().map((data) => ({ kind: "base64" as const, data })),
  ),
});
const part: fc.Arbitrary<Part> = fc.oneof(
  text,
  file,
  fc.record({ type: fc.constant("text" as const), text: fc.string(), native: json }),
  fc.record({ type: fc.constant("reasoning" as const), text: fc.string(), native: json }),
  fc.record({
    type: fc.constant("tool_call" as const),
    callId: fc.string(),
    name: fc.string(),
    arguments: fc.oneof(
      fc.dictionary(key, json).map((value) => ({ kind: "object" as const, value })),
      fc.string().map((raw) => ({ kind: "invalid" as const, raw })),
    ),
  }),
  fc.record({
    type: fc.constant("tool_result" as const),
    callId: fc.string(),
    name: fc.string(),
    isError: fc.boolean(),
    content: fc.array(fc.oneof(text, file), { maxLength: 3 }),
  }),
  fc.record({
    type: fc.constant("handoff" as const),
    from: fc.constant(model),
    to: fc.constant(model),
    reason: fc.string(),
    brief: fc.string(),
    context: fc.constantFrom("full" as const, "brief" as const),
    by: fc.constantFrom("model" as const, "pipeline" as const, "fallback" as const, "policy" as const),
  }),
  fc.record({ type: fc.constant("tool_started" as const), callId: fc.string() }),
  fc.record({
    type: fc.constant("record" as const),
    act: fc.constantFrom("retry" as const, "pause" as const),
    detail: fc.dictionary(key, json),
  }),
);
const item: fc.Arbitrary<Item> = fc.record(
  {
    v: fc.constant(ITEM_VERSION),
    seq: fc.nat(),
    phase: fc.nat(),
    epoch: fc.nat(),
    at: fc.nat(),
    role: fc.constantFrom("user" as const, "assistant" as const, "tool" as const, "control" as const),
    parts: fc.array(part, { maxLength: 4 }),
    origin: fc.constant({ provider: "openai", api: "openai-chat" as const, model }),
    stopReason: fc.constantFrom("end" as const, "tool_use" as const, "refusal" as const),
  },
  { requiredKeys: ["v", "seq", "phase", "epoch", "at", "role", "parts"] },
);

describe("an item", () => {
  test("comes back from its JSON as it was", () => {
    fc.assert(
      fc.property(item, (one) => {
        expect(itemSchema.parse(JSON.parse(JSON.stringify(one)))).toEqual(one);
      }),
    );
  });

  test("read again is written to the same bytes", () => {
    fc.assert(
      fc.property(item, (one) => {
        const written = JSON.stringify(itemSchema.parse(JSON.parse(JSON.stringify(one))));
        expect(JSON.stringify(itemSchema.parse(JSON.parse(written)))).toBe(written);
      }),
    );
  });

  const whole = { v: 1, seq: 0, phase: 0, epoch: 0, at: 0, role: "user", parts: [] };

  test.each([
    ["a newer version", { v: 2 }],
    ["no place", { seq: -1 }],
    ["an unknown role", { role: "system" }],
    ["an unknown part", { parts: [{ type: "video" }] }],
    ["a call without arguments", { parts: [{ type: "tool_call", callId: "c", name: "f" }] }],
  ])("with %s cannot be read", (_, wrong) => {
    expect(itemSchema.safeParse(whole).success).toBe(true);
    expect(itemSchema.safeParse({ ...whole, ...wrong }).success).toBe(false);
  });

  test("has the text of its text parts, and not of what was thought", () => {
    const parts: Part[] = [
      { type: "text", text: "a" },
      { type: "reasoning", text: "hm" },
      { type: "text", text: "b" },
    ];
    expect(textOf({ parts })).toBe("ab");
    expect(textOf({ parts: [] })).toBe("");
  });
});
