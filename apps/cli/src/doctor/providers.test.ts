import { once } from "node:events";
import { createServer } from "node:http";
import { type ConfigInput, parseConfig } from "@baton/core";
import { readEnvironment } from "@baton/worker-app";
import { expect, test } from "vitest";
import { gatherProviders, providerFindings } from "./providers.ts";

const scrub = (text: string): string => text;

async function findings(
  config: ConfigInput,
  variables: Readonly<Record<string, string>>,
  { online = false, liveWorkers = 0 } = {},
) {
  const facts = await gatherProviders({
    config: parseConfig(config, "test"),
    environment: readEnvironment(variables),
    online,
    scrub,
  });
  return providerFindings(facts, liveWorkers);
}

test("a key is told by its variable, never by its value; known providers without one are not used", async () => {
  const found = await findings({}, { OPENAI_API_KEY: "canary-key" });
  expect(found).toEqual([
    { name: "openai", status: "ok", found: "key in OPENAI_API_KEY, https://api.openai.com/v1" },
    { name: "anthropic", status: "ok", found: "not used (ANTHROPIC_API_KEY is not set)" },
    { name: "xai", status: "ok", found: "not used (XAI_API_KEY is not set)" },
  ]);
});

test("a configured provider without its key is a warning, and none that can be called fails without live workers", async () => {
  const config: ConfigInput = {
    providers: { gateway: { api: "openai-chat", baseURL: "https://g/v1", apiKeyEnv: "G_KEY" } },
  };
  const alone = await findings(config, {});
  expect(alone.slice(-2)).toMatchObject([
    {
      name: "gateway",
      status: "warn",
      found: "no key: G_KEY is not set",
      advice: "set G_KEY where workers run",
    },
    { name: "usable", status: "fail", advice: expect.stringMatching(/XAI_API_KEY or G_KEY/) },
  ]);
  expect((await findings(config, {}, { liveWorkers: 1 })).at(-1)).toMatchObject({ status: "warn" });
});

test("what is wrong with one provider is told for that one alone, without secrets", async () => {
  const variables = {
    OPENAI_BASE_URL: "canary-no-url",
    OPENAI_API_KEY: "k",
    ANTHROPIC_API_KEY: "k",
    BAD: "línea",
  };
  const providers: ConfigInput["providers"] = {
    nowhere: { api: "openai-chat" },
    user: { api: "openai-chat", baseURL: "https://me:canary@host/v1?key=canary" },
    bad: { api: "openai-chat", baseURL: "https://host/v1", apiKeyEnv: "BAD" },
  };
  const found = await findings({ providers }, variables);
  expect(found.map(({ name, status }) => `${name} ${status}`)).toEqual([
    "openai fail",
    "anthropic ok",
    "xai ok",
    "nowhere fail",
    "user fail",
    "bad fail",
  ]);
  expect(JSON.stringify(found)).not.toMatch(/canary|línea/);
});

test("--online tells a list, a refused key, another answer and silence apart", async () => {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization ?? String(request.headers["x-api-key"]));
    const status = Number(request.url?.split("/")[1]);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(request.url?.endsWith("/models") ? '{"data": [{}, {}]}' : "{}");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const at = (path: string) => `http://127.0.0.1:${address.port}/${path}`;
  try {
    const found = await findings(
      {
        providers: {
          chat: { api: "openai-chat", baseURL: at("200/v1"), apiKeyEnv: "A_KEY" },
          messages: { api: "anthropic-messages", baseURL: at("200"), apiKeyEnv: "A_KEY" },
          refused: { api: "openai-responses", baseURL: at("401/v1"), apiKeyEnv: "A_KEY" },
          keyless: { api: "openai-chat", baseURL: at("404/v1") },
          gone: { api: "openai-chat", baseURL: "http://127.0.0.1:2/v1" },
        },
      },
      { A_KEY: "canary-key" },
      { online: true },
    );
    expect(found.slice(3)).toMatchObject([
      { status: "ok", found: expect.stringMatching(/2 models$/) },
      { status: "ok", found: expect.stringMatching(/2 models$/) },
      { status: "fail", found: expect.stringMatching(/refused \(HTTP 401\)/), advice: "check A_KEY" },
      { status: "warn", found: expect.stringMatching(/HTTP 404/) },
      { status: "fail", found: expect.stringMatching(/cannot be reached \(ECONNREFUSED\)/) },
    ]);
    expect(new Set(seen)).toEqual(new Set(["Bearer canary-key", "canary-key", "undefined"]));
    expect(JSON.stringify(found)).not.toContain("canary");
  } finally {
    server.close();
  }
});
