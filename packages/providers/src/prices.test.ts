/** Costs by hand from the list's own prices, USD for a million tokens, as version 0.1.8 of the library has them. */
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { type Config, modelConfigSchema, modelIdSchema, NO_USAGE, type Usage } from "@baton/core";
import { findProvider } from "@pydantic/genai-prices";
import { describe, expect, test } from "vitest";
import { createPrices } from "./prices.ts";

const id = (text: string) => modelIdSchema.parse(text);
const used = (usage: Partial<Usage>): Usage => ({ ...NO_USAGE, ...usage });
const K100 = used({ inputTokens: 100_000, outputTokens: 10_000 });

function cost(model: string, usage: Usage, models: Config["models"] = {}, at?: string) {
  const now = at === undefined ? {} : { now: () => Date.parse(at) };
  return createPrices(models, now)(id(model), usage);
}

describe("a listed model", () => {
  test.each([
    // 0.1 × 1.75 + 0.01 × 14
    ["openai/gpt-5.2", 0.315],
    // 0.1 × 5 + 0.01 × 25
    ["anthropic/claude-opus-4-5", 0.75],
    ["anthropic/claude-opus-4-5-20251101", 0.75],
    // 0.1 × 0.2 + 0.01 × 0.5, under the name that Baton has for the provider
    ["xai/grok-4-1-fast-reasoning", 0.025],
    // 0.1 × 5 + 0.01 × 25: a gateway's own price of a model of another vendor
    ["openrouter/anthropic/claude-opus-4.5", 0.75],
  ])("%s costs by its input and output", (model, usd) => {
    expect(cost(model, K100)).toBeCloseTo(usd, 10);
  });

  test("costs less for what was read from a cache and more for what was written, both within the input", () => {
    const usage = used({
      inputTokens: 100_000,
      cachedInputTokens: 60_000,
      cacheWriteTokens: 30_000,
      outputTokens: 10_000,
    });
    // 0.01 × 5 + 0.06 × 0.5 + 0.03 × 6.25 + 0.01 × 25
    expect(cost("anthropic/claude-opus-4-5", usage)).toBeCloseTo(0.5175, 10);
    // 0.04 × 1.75 + 0.06 × 0.175 + 0.01 × 14: writes have no price of their own
    expect(cost("openai/gpt-5.2", usage)).toBeCloseTo(0.2205, 10);
  });

  test("costs nothing more for reasoning, which is output", () => {
    const usage = used({ inputTokens: 100_000, outputTokens: 10_000, reasoningTokens: 8_000 });
    expect(cost("openai/gpt-5.2", usage)).toBeCloseTo(0.315, 10);
  });

  test("costs what its tier says, by all of its input", () => {
    const usage = used({ inputTokens: 300_000, cachedInputTokens: 200_000, outputTokens: 10_000 });
    // Past 272,000 tokens: 0.1 × 5 + 0.2 × 0.5 + 0.01 × 22.5
    expect(cost("openai/gpt-5.4", usage)).toBeCloseTo(0.825, 10);
  });

  test("costs what it cost at the time of the call", () => {
    // 0.1 × 5 + 0.01 × 30 until 20 August 2026, 0.1 × 4 + 0.01 × 20 from then on
    expect(cost("openai/gpt-5.6-sol", K100, {}, "2026-08-20T12:00:00Z")).toBeCloseTo(0.8, 10);
    expect(cost("openai/gpt-5.6-sol", K100, {}, "2026-08-22T12:00:00Z")).toBeCloseTo(0.6, 10);
  });

  test("that is free costs nothing, which is known", () => {
    expect(cost("openrouter/deepseek/deepseek-r1:free", K100)).toBe(0);
  });

  test("costs nothing for a call that used nothing", () => {
    expect(cost("openai/gpt-5.2", NO_USAGE)).toBe(0);
  });
});

describe("what is not known is null", () => {
  test.each([
    ["a model of no list", "openai/gpt-99"],
    ["a provider of no list", "ollama/qwen3:8b"],
    ["a known model at a provider of no list", "vllm/gpt-5.2"],
    ["a known model at a gateway whose name holds a known provider's", "my-openai-proxy/gpt-5.2"],
    ["a known model at a router of many providers", "litellm/openai/gpt-5.2"],
    ["a model without a price of text", "openai/whisper-1"],
  ])("%s", (_what, model) => {
    expect(cost(model, K100)).toBeNull();
    // The second time comes from what was remembered.
    const price = createPrices({});
    expect([price(id(model), K100), price(id(model), K100)]).toEqual([null, null]);
  });

  test("a usage that contradicts itself", () => {
    expect(cost("openai/gpt-5.2", used({ inputTokens: 10, cachedInputTokens: 11 }))).toBeNull();
    expect(cost("openai/gpt-5.2", used({ outputTokens: 10, reasoningTokens: 11 }))).toBeNull();
    const both = used({ inputTokens: 10, cachedInputTokens: 6, cacheWriteTokens: 6 });
    expect(cost("anthropic/claude-opus-4-5", both)).toBeNull();
  });
});

describe("the operator's price", () => {
  const usage = used({ inputTokens: 100_000, cachedInputTokens: 60_000, cacheWriteTokens: 30_000 });
  const models = (price: unknown): Config["models"] => ({
    [id("openai/gpt-5.2")]: modelConfigSchema.parse({ price }),
    [id("ollama/qwen3:8b")]: modelConfigSchema.parse({ price }),
  });

  test("goes before the list, and stands for what the list lacks", () => {
    const given = models({ input: 10, output: 100 });
    // 0.1 × 10 + 0.01 × 100
    expect(cost("openai/gpt-5.2", K100, given)).toBeCloseTo(2, 10);
    expect(cost("ollama/qwen3:8b", K100, given)).toBeCloseTo(2, 10);
    expect(cost("openai/gpt-5-mini", K100, given)).toBeCloseTo(0.045, 10);
  });

  test("counts what touched a cache as input, unless it has prices for it", () => {
    expect(cost("openai/gpt-5.2", usage, models({ input: 10, output: 0 }))).toBeCloseTo(1, 10);
    const cached = { input: 10, output: 0, cachedInput: 1, cacheWrite: 20 };
    // 0.01 × 10 + 0.06 × 1 + 0.03 × 20
    expect(cost("openai/gpt-5.2", usage, models(cached))).toBeCloseTo(0.76, 10);
  });

  test("may be nothing", () => {
    expect(cost("ollama/qwen3:8b", K100, models({ input: 0, output: 0 }))).toBe(0);
  });

  test("that is not given leaves the list's", () => {
    expect(cost("openai/gpt-5.2", K100, { [id("openai/gpt-5.2")]: { concurrency: 1 } })).toBeCloseTo(0.315);
  });
});

test("no model that the list carries makes a price fail", () => {
  const usage = used({
    inputTokens: 100,
    cachedInputTokens: 30,
    cacheWriteTokens: 10,
    outputTokens: 50,
    reasoningTokens: 20,
  });
  for (const providerId of [
    "anthropic",
    "openai",
    "x-ai",
    "google",
    "groq",
    "mistral",
    "openrouter",
    "perplexity",
  ]) {
    const price = createPrices({});
    const models = findProvider({ providerId })?.models ?? [];
    expect(models.length).toBeGreaterThan(3);
    for (const { id: ref } of models) {
      const usd = price(id(`${providerId}/${ref}`), usage);
      expect(usd === null || usd >= 0, ref).toBe(true);
    }
  }
});

test("the list is not loaded before it is needed", () => {
  const list = createRequire(import.meta.url).resolve("@pydantic/genai-prices");
  const program = `
    import { createRequire } from "node:module";
    const { createPrices } = await import(${JSON.stringify(new URL("./prices.ts", import.meta.url).href)});
    const { cache } = createRequire(${JSON.stringify(import.meta.url)});
    const loaded = () => ${JSON.stringify(list)} in cache;
    const usage = ${JSON.stringify(K100)};
    const price = createPrices({ "a/b": { price: { input: 1, output: 1 } } });
    price("a/b", usage);
    const before = loaded();
    price("openai/gpt-5.2", usage);
    console.log(JSON.stringify([before, loaded()]));
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toEqual([false, true]);
});
