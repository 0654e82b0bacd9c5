import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineConfig, functionTool, PROVIDER_PRESETS, parseConfig, providerConfigSchema } from "./config.ts";

const parse = (config: object) => parseConfig(config, "baton.config.ts");

describe("a configuration", () => {
  test("may be empty, and then has its defaults", () => {
    expect(parse({})).toEqual({
      providers: {},
      models: {},
      mcpServers: {},
      tools: [],
      policies: {},
      limits: {
        ...{ maxTurns: 50, maxHandoffs: 10, parallelToolCalls: 8, toolTimeoutMs: 60_000 },
        ...{ toolResultCharsMax: 100_000, modelIdleMs: 120_000, modelCallMs: 900_000 },
        ...{ modelAttemptsMax: 8, rateLimitAttemptsMax: 100, takeoversMax: 5, unfitGraceMs: 600_000 },
        phaseTimeout: 0,
      },
      retention: { days: 7 },
      api: expect.objectContaining({ cors: [], hosts: [], bodyBytesMax: 33_554_432, connectionsMax: 10_000 }),
      allowPrivateAddresses: false,
    });
  });

  test("adds to a known provider without saying again what is known of it", () => {
    const { providers } = parse({ providers: { openai: { limits: { rpm: 500 }, account: "team" } } });
    expect(providers.openai).toEqual({
      ...PROVIDER_PRESETS.openai,
      limits: { rpm: 500 },
      account: "team",
    });
    const other = { api: "openai-chat", baseURL: "http://localhost:1" } as const;
    expect(parse({ providers: { openai: other } }).providers.openai).toEqual(other);
  });

  test("sets one limit and keeps the others", () => {
    expect(parse({ limits: { maxTurns: 3 } }).limits).toMatchObject({ maxTurns: 3, maxHandoffs: 10 });
  });

  test("takes the mcp.json shape, over stdio and over HTTP", () => {
    const { mcpServers } = parse({
      mcpServers: {
        files: { command: "npx", args: ["-y", "server"], env: { KEY: "x" } },
        docs: { type: "streamable-http", url: "https://example.com/mcp", headers: { a: "b" } },
      },
    });
    expect(mcpServers.files).toEqual({ command: "npx", args: ["-y", "server"], env: { KEY: "x" } });
    expect(mcpServers.docs).toMatchObject({ url: "https://example.com/mcp", headers: { a: "b" } });
  });

  test("takes policies as functions and as rules", () => {
    const careful = () => ({ maxTurns: 1 });
    const { policies } = parse({ policies: { careful, short: [{ do: { maxTurns: 2 } }] } });
    expect(policies.careful).toBe(careful);
    expect(policies.short).toEqual([{ when: {}, do: { maxTurns: 2 } }]);
  });

  test.each([
    [{ provider: {} }, /Unrecognized key: "provider"/],
    [{ providers: { "Open AI": { api: "openai-chat" } } }, /providers\.Open AI: /],
    [{ providers: { a: { limits: { rpm: 1 } } } }, /providers\.a\.api: .*the API that the provider speaks/],
    [{ providers: { openai: { limits: { rpm: 0 } } } }, /providers\.openai\.limits\.rpm: /],
    [{ providers: { a: { api: "soap" } } }, /providers\.a\.api: .*"openai-chat"/],
    [{ providers: { a: { api: "openai-chat", apiKey: "sk-1" } } }, /providers\.a: .*apiKey/],
    [{ models: { gpt: {} } }, /models\.gpt: a model id is provider\/model/],
    [{ models: { "openai/gpt": { concurrency: 0 } } }, /models\.openai\/gpt\.concurrency: /],
    [{ mcpServers: { a: { cmd: "x" } } }, /mcpServers\.a/],
    [{ mcpServers: { a: { url: "not a url" } } }, /mcpServers\.a\.url: /],
    [{ tools: [{ name: "f" }] }, /tools\.0: a tool has name, description, parameters/],
    [{ policies: { a: [{ do: { stop: 5 } }] } }, /policies\.a\.0\.do\.stop: /],
    [{ limits: { maxTurns: 0 } }, /limits\.maxTurns: /],
    [{ retention: { days: 0 } }, /retention\.days: /],
    [{ api: { cors: "https://a.example" } }, /api\.cors: expected array/],
    [{ api: { cors: ["*"] } }, /: api\.cors\.0: an origin such as https:\/\/app\.example\.com: .* no \*$/],
    [{ api: { cors: ["https://a.example/"] } }, /: api\.cors\.0: an origin such as/],
    [{ api: { cors: ["ftp://a.example"] } }, /: api\.cors\.0: an origin such as/],
    [{ api: { hosts: ["a.example:80"] } }, /: api\.hosts\.0: a host's name .* without a port$/],
    [{ api: { hosts: ["A.example"] } }, /: api\.hosts\.0: a host's name .* small letters/],
    [{ api: { trustProxy: true } }, /: api\.trustProxy: how many proxies there are \(1 to 16\), or a list/],
    [{ api: { trustProxy: 0 } }, /: api\.trustProxy: .*>=1/],
    [{ api: { trustProxy: ["10.0.0.0/99"] } }, /: api\.trustProxy\.0: an IP address, a range such as/],
    [{ api: { bodyBytesMax: "32 MiB" } }, /api\.bodyBytesMax: expected number/],
    [{ api: { connectionsMax: 0 } }, /api\.connectionsMax: /],
    [{ api: { batchBytesMax: 1 } }, /api\.batchBytesMax: /],
    [{ api: { batchUploadsMax: 0 } }, /api\.batchUploadsMax: /],
    [{ api: { chatWaitSeconds: -1 } }, /api\.chatWaitSeconds: /],
    [{ api: { chatWait: 1 } }, /api: Unrecognized key: "chatWait"/],
  ])("is refused as %j, by file and field", (config, message) => {
    const parsing = () => parse(config);
    expect(parsing).toThrow(/^baton\.config\.ts is not a valid configuration: /);
    expect(parsing).toThrow(
      expect.objectContaining({ code: "invalid_config", message: expect.stringMatching(message) }),
    );
  });

  test("is not told with the secret that stands in the wrong place", () => {
    expect(() => parse({ providers: { a: { api: "openai-chat", apiKey: "sk-secret" } } })).not.toThrow(
      /sk-secret/,
    );
  });
});

test("the presets are providers that parse", () => {
  for (const preset of Object.values(PROVIDER_PRESETS))
    expect(providerConfigSchema.parse(preset)).toEqual(preset);
  expect(Object.keys(PROVIDER_PRESETS)).toEqual(["openai", "anthropic", "xai"]);
});

test("a function tool is typed by its schema, and is the function that was given", () => {
  const tool = functionTool({
    name: "double",
    description: "doubles",
    parameters: z.object({ n: z.number() }),
    run: ({ n }) => n * 2,
  });
  const context = { runId: "r", callId: "c", idempotencyKey: "k", signal: new AbortController().signal };
  expect(tool.run({ n: 4 }, context)).toBe(8);
  const config = defineConfig({ tools: [tool] });
  expect(parse(config).tools[0]).toBe(tool);
});
