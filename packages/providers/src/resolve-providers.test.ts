import { describe, expect, test } from "vitest";
import { resolveProviders } from "./resolve-providers.ts";

test("the presets need no entry, and take the usual variables", () => {
  const env = { ANTHROPIC_API_KEY: "k1", OPENAI_BASE_URL: "http://proxy.test/v1", XAI_API_KEY: "" };
  expect(resolveProviders({}, env)).toEqual({
    openai: { api: "openai-responses", baseURL: "http://proxy.test/v1", apiKeyName: "OPENAI_API_KEY" },
    anthropic: {
      api: "anthropic-messages",
      baseURL: "https://api.anthropic.com",
      apiKey: "k1",
      apiKeyName: "ANTHROPIC_API_KEY",
    },
    xai: { api: "openai-chat", baseURL: "https://api.x.ai/v1", apiKeyName: "XAI_API_KEY" },
  });
});

describe("an entry", () => {
  test("replaces the preset of its name, and stays at its place when it speaks the same API", () => {
    const { openai, xai } = resolveProviders(
      {
        openai: { api: "openai-responses", apiKeyEnv: "MY_KEY" },
        xai: { api: "openai-responses" },
      },
      { MY_KEY: " k2\n" },
    );
    expect(openai).toEqual({
      api: "openai-responses",
      baseURL: "https://api.openai.com/v1",
      apiKey: "k2",
      apiKeyName: "MY_KEY",
    });
    expect(xai).toEqual({ api: "openai-responses" });
  });

  test("has variables in its headers, and names those that are not set", () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholders are what is tested
    const headers = { "x-team": "a-${TEAM}", "x-id": "${ID}" };
    const config = { api: "openai-chat", baseURL: "http://x.test/v1", headers } as const;
    expect(resolveProviders({ gw: config }, { TEAM: "red", ID: "7" }).gw).toMatchObject({
      headers: { "x-team": "a-red", "x-id": "7" },
    });
    expect(resolveProviders({ gw: config }, { TEAM: "red" }).gw).toMatchObject({ missing: ["ID"] });
  });

  test("may have its place overridden by a variable, which has to be a URL", () => {
    const config = { api: "openai-chat", baseURL: "http://x.test/v1", baseURLEnv: "GW" } as const;
    expect(resolveProviders({ gw: config }, { GW: "http://y.test" }).gw).toMatchObject({
      baseURL: "http://y.test",
    });
    for (const GW of ["not a url", "user:pass@host"]) {
      expect(() => resolveProviders({ gw: config }, { GW })).toThrow(
        /^GW is set, but not to an http\(s\) URL$/,
      );
    }
  });
});
