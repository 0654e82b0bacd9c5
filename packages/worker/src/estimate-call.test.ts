import { type Item, type ModelRequest, NO_USAGE } from "@baton/core";
import { describe, expect, test } from "vitest";
import { amountsOf, estimateCall, OutputAverage } from "./estimate-call.ts";
import { claude, gpt } from "./testing/log.ts";

const at = { v: 1, seq: 0, phase: 0, epoch: 1, at: 0 } as const;
const user = (text: string): Item => ({ ...at, role: "user", parts: [{ type: "text", text }] });
const reply = (usage: Partial<Item["usage"]>, model = gpt): Item => ({
  ...at,
  role: "assistant",
  parts: [{ type: "text", text: "x".repeat(4_000) }],
  origin: { provider: "openai", api: "openai-chat", model },
  usage: { ...NO_USAGE, ...usage },
});

const requestOf = (items: readonly Item[], more: Partial<ModelRequest> = {}): ModelRequest => ({
  model: gpt,
  instructions: undefined,
  items,
  tools: [],
  settings: {},
  ...more,
});

describe("the prompt", () => {
  test("is told by its characters, instructions and tools included", () => {
    const bare = estimateCall(requestOf([user("x".repeat(400))]), 0);
    expect(bare).toEqual({ requests: 1, tokens: 100, inputTokens: 100, outputTokens: 0 });
    const instructions = "x".repeat(200);
    expect(estimateCall(requestOf([user("x".repeat(400))], { instructions }), 0).tokens).toBe(150);
  });

  test("is what the model's last reply took, and what came since", () => {
    const items = [
      user("x".repeat(9_000)),
      reply({ inputTokens: 700, outputTokens: 50 }),
      user("x".repeat(40)),
    ];
    expect(estimateCall(requestOf(items), 0)).toMatchObject({ tokens: 760, inputTokens: 760 });
  });

  test("of another model's reply says nothing: its characters do", () => {
    const items = [user("x".repeat(400)), reply({ inputTokens: 7, outputTokens: 5 }, claude)];
    expect(estimateCall(requestOf(items), 0).tokens).toBe(1_100);
  });

  test("is read from the cache as far as it was cached before: that counts as tokens, not as input", () => {
    const usage = { inputTokens: 1_000, cachedInputTokens: 600, cacheWriteTokens: 300, outputTokens: 50 };
    const items = [user("go"), reply(usage), user("x".repeat(40))];
    expect(estimateCall(requestOf(items), 0)).toMatchObject({ tokens: 1_060, inputTokens: 160 });
  });

  test("is never less than nothing, whatever a provider says of its cache", () => {
    const usage = { inputTokens: 10, cachedInputTokens: 600, cacheWriteTokens: 300, outputTokens: 5 };
    expect(estimateCall(requestOf([user("go"), reply(usage)]), 0)).toMatchObject({
      tokens: 15,
      inputTokens: 0,
    });
  });

  test("counts calls, results and files", () => {
    const parts: Item["parts"] = [
      {
        type: "tool_result",
        callId: "c",
        name: "t",
        isError: false,
        content: [{ type: "text", text: "x".repeat(80) }],
      },
      { type: "file", mediaType: "image/png", source: { kind: "base64", data: "x".repeat(100_000) } },
      { type: "reasoning", text: "x".repeat(1_000) },
    ];
    expect(estimateCall(requestOf([{ ...at, role: "tool", parts }]), 0).tokens).toBe(1_520);
  });
});

describe("the output", () => {
  const outputOf = (most: number | undefined, expected: number | undefined) =>
    estimateCall(
      requestOf([user("go")], { settings: most === undefined ? {} : { max_output_tokens: most } }),
      expected,
    ).outputTokens;

  test.each([
    [undefined, undefined, 1_000],
    [200, undefined, 200],
    [50_000, undefined, 4_000],
    [50_000, 321.5, 322],
    [100, 321, 100],
  ])("with at most %s, of replies that take %s, is %s", (most, expected, output) => {
    expect(outputOf(most, expected)).toBe(output);
  });

  test("follows what replies take, on the safe side", () => {
    const average = new OutputAverage();
    expect(average.expected).toBeUndefined();
    average.add(100);
    expect(average.expected).toBe(100);
    for (let count = 0; count < 200; count += 1) average.add(count % 2 === 0 ? 50 : 150);
    expect(average.expected).toBeGreaterThan(120);
    expect(average.expected).toBeLessThan(180);
    for (let count = 0; count < 200; count += 1) average.add(10);
    expect(average.expected).toBeLessThan(12);
  });
});

test("what a call took: input that was read from a cache is left out of the input tokens alone", () => {
  const usage = { ...NO_USAGE, inputTokens: 100, cachedInputTokens: 60, outputTokens: 7, reasoningTokens: 3 };
  expect(amountsOf(usage)).toEqual({ requests: 1, tokens: 107, inputTokens: 40, outputTokens: 7 });
});
