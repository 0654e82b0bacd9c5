import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matchesModelPattern, modelIdSchema, splitModelId, transferToolName } from "./model-id.ts";

const id = (text: string) => modelIdSchema.parse(text);
const anyModelId = fc
  .tuple(
    fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,20}$/),
    fc.string({ minLength: 1, maxLength: 100, unit: "grapheme" }),
  )
  .map(([provider, model]) => `${provider}/${model}`)
  .filter((text) => modelIdSchema.safeParse(text).success)
  .map(id);

describe("a model id", () => {
  test.each(["openai/gpt-5.2", "ollama/qwen3:8b", "my_gateway/meta/llama-3.1", "x/é"])(
    "may be %s",
    (text) => {
      expect(id(text)).toBe(text);
    },
  );

  test.each([
    ["", /provider\/model/],
    ["gpt-5", /for example openai\/gpt-5.2/],
    ["/gpt", /provider\/model/],
    ["openai/", /provider\/model/],
    ["OpenAI/gpt", /provider\/model/],
    ["openai/gpt 5", /provider\/model/],
    ["openai/gpt\n", /provider\/model/],
    ["openai/gpt\u0000", /provider\/model/],
    [`openai/${"x".repeat(200)}`, /at most 200 characters/],
  ])("is not %j", (text, message) => {
    expect(() => id(text)).toThrow(message);
  });

  test("splits at its first slash, and is the two joined", () => {
    expect(splitModelId(id("my/meta/llama"))).toEqual({ provider: "my", model: "meta/llama" });
    fc.assert(
      fc.property(anyModelId, (text) => {
        const { provider, model } = splitModelId(text);
        expect(`${provider}/${model}`).toBe(text);
        expect(provider).not.toContain("/");
      }),
    );
  });
});

test.each([
  ["openai/gpt", "openai/gpt", true],
  ["openai/gpt", "openai/gpt-5", false],
  ["openai/*", "openai/gpt", true],
  ["openai/*", "anthropic/gpt", false],
  ["*", "anthropic/gpt", true],
  ["openai/g*t", "openai/gt", false],
])("the pattern %s on %s is %s", (pattern, text, matches) => {
  expect(matchesModelPattern(pattern, id(text))).toBe(matches);
});

test("the name of a transfer tool is one that every provider takes", () => {
  expect(transferToolName(id("anthropic/claude-opus-4-5"))).toBe("transfer_to_anthropic_claude_opus_4_5");
  fc.assert(
    fc.property(anyModelId, (text) => {
      expect(transferToolName(text)).toMatch(/^transfer_to_[a-zA-Z0-9_]{0,48}$/);
    }),
  );
});
