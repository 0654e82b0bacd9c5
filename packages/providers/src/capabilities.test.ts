import { describe, expect, test } from "vitest";
import { claudeCapabilities, effortFor, openAiCapabilities } from "./capabilities.ts";

test.each([
  ["claude-opus-4-5", "budget", "no", 64_000],
  ["claude-opus-4-5-20251101", "budget", "no", 64_000],
  ["anthropic/claude-opus-4.5", "budget", "no", 64_000],
  ["claude-opus-4-20250514", "budget", "no", 32_000],
  ["claude-3-7-sonnet-latest", "budget", "no", 64_000],
  ["claude-3-5-haiku-20241022", "none", "no", 8_192],
  ["claude-sonnet-4-6", "both", "no", 64_000],
  ["claude-opus-4-7", "adaptive", "no", 128_000],
  ["claude-opus-4-8", "adaptive", "no", 128_000],
  ["claude-sonnet-5", "adaptive", "yes", 128_000],
  ["claude-opus-5", "adaptive", "yes", 128_000],
  ["claude-opus-5-5", "adaptive", "always", 128_000],
  ["claude-haiku-5-5", "adaptive", "yes", 128_000],
  ["claude-fable-5-1", "adaptive", "always", 128_000],
  ["claude-mythos-preview", "both", "always", 128_000],
  ["some-other-model", "both", "no", 8_192],
] as const)(
  "%s takes thinking %s, thinks unasked: %s, writes %i tokens",
  (model, thinking, unasked, tokens) => {
    expect(claudeCapabilities(model)).toMatchObject({
      thinking,
      thinksUnasked: unasked,
      outputTokensMax: tokens,
    });
  },
);

test.each([
  ["gpt-5", ["minimal", "low", "medium", "high"]],
  ["gpt-5-mini-2025-08-07", ["minimal", "low", "medium", "high"]],
  ["gpt-5-codex", ["low", "medium", "high"]],
  ["gpt-5.1", ["none", "low", "medium", "high"]],
  ["gpt-5.2", ["none", "low", "medium", "high", "xhigh"]],
  ["gpt-5.2-pro", ["medium", "high", "xhigh"]],
  ["gpt-5.6-sol", ["none", "low", "medium", "high", "xhigh", "max"]],
  ["gpt-6-astra", ["low", "medium", "high", "xhigh", "max"]],
  ["o4-mini", ["low", "medium", "high"]],
  ["gpt-5-chat-latest", []],
  ["gpt-4.1", []],
  ["qwen3:8b", []],
] as const)("%s takes the efforts %j", (model, efforts) => {
  expect(openAiCapabilities(model).efforts).toEqual(efforts);
});

test.each([
  ["gpt-5", true],
  ["gpt-5.2-2026-01-01", true],
  ["gpt-6-astra", true],
  ["gpt-5-chat-latest", false],
  ["gpt-5.1-codex-max", false],
  ["gpt-5.2-codex", false],
  ["gpt-10", true],
  ["gpt-4.1", false],
  ["gpt-35-turbo", false],
  ["o3", false],
  ["qwen3:8b", false],
] as const)("%s takes a verbosity: %j", (model, verbosity) => {
  expect(openAiCapabilities(model).verbosity).toBe(verbosity);
});

describe("what OpenAI's own models take", () => {
  test("reasoning ones no sampling, chat ones no effort, those on other servers the old names", () => {
    expect(openAiCapabilities("gpt-5.2")).toMatchObject({ reasons: true, sampling: false, ofOpenAi: true });
    expect(openAiCapabilities("gpt-5-chat-latest")).toMatchObject({ reasons: false, sampling: true });
    expect(openAiCapabilities("gpt-oss:20b")).toMatchObject({ ofOpenAi: false, sampling: true });
    expect(openAiCapabilities("o3-mini")).toMatchObject({ parallelToolCalls: false, images: false });
  });
});

test("minimal is the least and max the most that a model has; between them nothing is made up", () => {
  expect(effortFor("minimal", ["low", "high"])).toBe("low");
  expect(effortFor("max", ["low", "high"])).toBe("high");
  expect(effortFor("max", ["low", "xhigh", "max"])).toBe("max");
  expect(effortFor("medium", ["low", "high"])).toBeUndefined();
});

test("Azure's gpt-35 is what it is, and not one of OpenAI's that reason", () => {
  expect(openAiCapabilities("gpt-35-turbo-16k")).toEqual(openAiCapabilities("gpt-3.5-turbo-16k"));
  expect(openAiCapabilities("gpt-35-turbo")).toMatchObject({ reasons: false, sampling: true, images: false });
});
