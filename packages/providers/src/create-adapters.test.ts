import { type BatonError, type ModelId, modelIdSchema } from "@baton/core";
import { expect, test } from "vitest";
import { createAdapters, type ResolvedProvider, resolveProviders } from "./index.ts";

const limits = { modelIdleMs: 1_000, modelCallMs: 1_000 };

function lookUp(model: string, providers: Record<string, ResolvedProvider>): unknown {
  try {
    return createAdapters({ providers, limits })(modelIdSchema.parse(model));
  } catch (error) {
    return error;
  }
}

test("a model whose provider lacks its key names the variable to set", () => {
  expect(lookUp("anthropic/claude-opus-4-5", resolveProviders({}, {}))).toMatchObject({
    code: "missing_key",
    message: "anthropic/claude-opus-4-5 needs a key: set ANTHROPIC_API_KEY",
    retry: "never",
  });
});

test("an unknown provider is told which are known, and how to add one", () => {
  const error = lookUp("ollama/qwen3:8b", resolveProviders({}, {})) as BatonError;
  expect(error.code).toBe("unknown_provider");
  expect(error.message).toContain("Known: anthropic, openai, xai.");
  expect(error.message).toContain('providers: { "ollama": { api: "openai-chat", baseURL:');
  expect(lookUp("constructor/x", {})).toMatchObject({ code: "unknown_provider" });
});

test("a header whose variable is not set names it", () => {
  const gw = { api: "openai-chat", baseURL: "http://x.test", missing: ["TEAM"] } as const;
  expect(lookUp("gw/m", { gw })).toMatchObject({ message: "gw/m needs its environment: set TEAM" });
});

test("a chat provider without a place is told so, and a key that no header carries too, without showing it", () => {
  expect(lookUp("gw/m", { gw: { api: "openai-chat" } })).toMatchObject({ code: "invalid_config" });
  const broken = {
    api: "openai-chat",
    baseURL: "http://x.test",
    apiKey: "a\nb",
    apiKeyName: "GW_KEY",
  } as const;
  expect(lookUp("gw/m", { gw: broken })).toMatchObject({
    code: "invalid_config",
    message: "GW_KEY holds characters that no header can carry",
  });
});

test("the models of a provider share one adapter, and so its connections", () => {
  const providers: Record<string, ResolvedProvider> = {
    a: { api: "openai-responses", apiKey: "k" },
    b: { api: "anthropic-messages", apiKey: "k" },
  };
  const adapters = createAdapters({ providers, limits });
  const of = (model: string) => adapters(model as ModelId);
  expect(of("a/one")).toBe(of("a/two"));
  expect(of("a/one")).not.toBe(of("b/one"));
});
