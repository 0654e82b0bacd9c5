// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of the configuration.
/**
 * Plants canaries wherever Baton is given a secret, drives everything that can go well or wrong, and then looks for them in
 * all that was kept or said: Redis, channels, logs at `trace`, errors, answers and events (R9).
 */
import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { startApi } from "@baton/api";
import { parseConfig } from "@baton/core";
import { openApiKeys, openFailFastConnection, openLedgerConnection } from "@baton/store";
import { openStore, readEnvironment, systemIds } from "@baton/worker-app";
import { startWorker } from "@baton/worker-app/serve";
import { describe, expect, onTestFinished, test } from "vitest";
import { callApi } from "../../apps/api/src/testing/api-rig.ts";
import { workerLog } from "../../apps/cli/src/worker-log.ts";
import { freshRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { allOfRedis, findLeaks, type Source } from "./leak-search.ts";
import { LOOSE_MODELS, startLooseProvider } from "./loose-provider.ts";

const canary = (): string => `canary${randomBytes(16).toString("hex")}`;

/** What a careful operator keeps to himself, and what careless callers send. */
function plant() {
  return {
    chatKey: canary(),
    responsesKey: canary(),
    anthropicKey: canary(),
    providerHeader: canary(),
    mcpHeader: canary(),
    mcpQuery: canary(),
    stdioToken: canary(),
    redisPassword: canary(),
    wrongKey: canary(),
    bodyKey: canary(),
    queryKey: canary(),
    otherHeader: canary(),
  };
}

function configOf(url: string) {
  const headers = { "x-team-token": "${PROVIDER_HEADER}" };
  const provider = (api: string, apiKeyEnv: string) => ({ api, baseURL: `${url}/v1`, apiKeyEnv, headers });
  const dies = "process.stderr.write(`${process.env.STDIO_TOKEN}\\n`); process.exit(3)";
  return parseConfig(
    {
      providers: {
        chat: provider("openai-chat", "CHAT_KEY"),
        responses: provider("openai-responses", "RESPONSES_KEY"),
        claude: provider("anthropic-messages", "CLAUDE_KEY"),
      },
      mcpServers: {
        loose: { url: `${url}/mcp?key=\${MCP_QUERY}`, headers: { Authorization: "Bearer ${MCP_HEADER}" } },
        refuses: {
          url: `${url}/refuses?key=\${MCP_QUERY}`,
          headers: { Authorization: "Bearer ${MCP_HEADER}" },
        },
        dies: { command: process.execPath, args: ["-e", dies], env: { STDIO_TOKEN: "${STDIO_TOKEN}" } },
      },
      limits: { modelAttemptsMax: 1, rateLimitAttemptsMax: 1 },
    },
    "the test's configuration",
  );
}

async function openWorld() {
  const secrets = plant();
  const provider = await startLooseProvider();
  const redis = await freshRedis();
  const sources: Source[] = [];
  const note = (where: string, text: string): void => void sources.push({ where, text });
  const url = `${redis.url}?password=${secrets.redisPassword}`;
  const bare = await openFailFastConnection({ url: redis.url });
  await bare.config("SET", "requirepass", secrets.redisPassword);
  const environment = readEnvironment({
    BATON_REDIS_URL: url,
    CHAT_KEY: secrets.chatKey,
    RESPONSES_KEY: secrets.responsesKey,
    CLAUDE_KEY: secrets.anthropicKey,
    PROVIDER_HEADER: secrets.providerHeader,
    MCP_HEADER: secrets.mcpHeader,
    MCP_QUERY: secrets.mcpQuery,
    STDIO_TOKEN: secrets.stdioToken,
  });
  const config = configOf(provider.url);
  const onError = (error: Error): void => note("a connection's error", inspect(error, { depth: 8 }));
  const listener = openLedgerConnection({ url, onError });
  await listener.psubscribe("*");
  listener.on("pmessage", (_pattern: string, channel: string, text: string) =>
    note(`channel ${channel}`, text),
  );
  const store = await openStore({ url, config, ids: systemIds, onError });
  const log = workerLog(environment, "trace", { write: (line: string) => note("the log", line) });
  const worker = await startWorker({
    environment,
    config,
    store,
    patterns: ["chat/*", "responses/*", "claude/*"],
    concurrency: 20,
    log,
  });
  const api = await startApi({
    store,
    service: store.producer,
    config,
    log,
    version: "test",
    now: systemIds.now,
    host: "127.0.0.1",
    port: 0,
  });
  onTestFinished(async () => {
    await api.stop(1_000);
    await worker.stop(1_000);
    await store[Symbol.asyncDispose]();
    listener.disconnect();
    bare.disconnect();
    await redis[Symbol.asyncDispose]();
    await provider[Symbol.asyncDispose]();
  });
  return { secrets, provider, url, sources, note, store, api };
}

type World = Awaited<ReturnType<typeof openWorld>>;

/** Calls the API and keeps what it says. */
function caller({ api, note }: World, own: Readonly<Record<string, string>>) {
  return async (
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ) => {
    const answer = await callApi(api.url, method, path, body, { ...own, ...headers });
    note(
      `the answer to ${method} ${path.split("?", 1)[0]}`,
      `${JSON.stringify([...answer.headers])} ${answer.text}`,
    );
    return answer;
  };
}
type Call = ReturnType<typeof caller>;

/** Runs that go well, and in every way wrong; their ids. */
async function driveRuns(call: Call): Promise<readonly string[]> {
  const models = ["chat", "responses", "claude"].flatMap((name) =>
    LOOSE_MODELS.map((model) => `${name}/${model}`),
  );
  const specs = [
    ...models.map((model) => ({ input: "hi", model })),
    { input: "hi", model: "chat/good", mcp_servers: ["loose", "refuses", "dies"] },
  ];
  const answers = await Promise.all(specs.map((spec) => call("POST", "/v1/runs?wait=25", spec)));
  const chat = { model: "chat/s401", messages: [{ role: "user", content: "hi" }] };
  await call("POST", "/v1/chat/completions", chat);
  await call("POST", "/v1/chat/completions", { ...chat, model: "chat/good", stream: true });
  return answers.map(({ body }) => String(body.id));
}

/** Requests that should not be made, with secrets in every place that a caller can put one. */
async function driveMistakes(call: Call, { secrets }: World): Promise<void> {
  const { wrongKey, bodyKey, queryKey, otherHeader } = secrets;
  const spec = { input: "hi", model: "chat/good" };
  const wrong: readonly Readonly<Record<string, string>>[] = [
    { authorization: `Bearer ${wrongKey}` },
    { authorization: `Bearer bk_${wrongKey}` },
    { authorization: `Basic ${btoa(`user:${wrongKey}`)}` },
    { authorization: "", "x-api-key": wrongKey },
  ];
  for (const headers of wrong) await call("GET", "/v1/runs", undefined, headers);
  const others = { "x-token": otherHeader, cookie: `session=${otherHeader}`, traceparent: otherHeader };
  await call("POST", "/v1/runs", spec, others);
  await call("GET", `/v1/runs?api_key=${queryKey}`);
  await call("POST", `/v1/runs?wait=${queryKey}`, spec);
  await call("GET", `/v1/runs?cursor=${queryKey}&status=${queryKey}`);
  const bodies: readonly unknown[] = [
    { ...spec, api_key: bodyKey },
    { ...spec, headers: { authorization: `Bearer ${bodyKey}` } },
    { ...spec, max_turns: bodyKey },
    { ...spec, budget: { usd: bodyKey } },
    {
      ...spec,
      tool_choice: bodyKey,
      tools: [{ type: "function", function: { name: `no name ${bodyKey}` } }],
    },
    { ...spec, mcp_servers: [{ url: "https://example.com", headers: { authorization: bodyKey } }] },
    { ...spec, mcp_servers: [`https://user:${bodyKey}@example.com/mcp`] },
    { ...spec, input: [{ type: "image_url", image_url: { url: `https://127.0.0.1/?token=${bodyKey}` } }] },
    [bodyKey],
    bodyKey,
  ];
  for (const body of bodies) {
    for (const path of ["/v1/runs", "/v1/chat/completions", "/mcp"]) await call("POST", path, body);
  }
}

/** The same in the files of batches, in their defaults, and in calls of an assistant. */
async function driveFiles(
  { secrets, api, note }: World,
  own: Readonly<Record<string, string>>,
): Promise<void> {
  const { bodyKey, queryKey, otherHeader } = secrets;
  const send = async (
    path: string,
    body: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<number> => {
    const response = await fetch(api.url + path, { method: "POST", body, headers: { ...own, ...headers } });
    note(
      `the answer to POST ${path.split("?", 1)[0]}`,
      `${JSON.stringify([...response.headers])} ${await response.text()}`,
    );
    return response.status;
  };
  const good = { custom_id: "a", body: { input: "hi", model: "chat/good" } };
  const files = [
    `{"custom_id": "a", "body": ${bodyKey}}\n${bodyKey}\n`,
    `${JSON.stringify(good)}\n{"api_key": "${bodyKey}`,
    `${JSON.stringify({ ...good, body: { ...good.body, mcp_servers: [`https://user:${bodyKey}@example.com/`] } })}\n`,
    `${JSON.stringify({ ...good, body: { ...good.body, max_turns: bodyKey } })}\n`,
    `${JSON.stringify({ ...good, method: "POST", url: bodyKey })}\n`,
  ];
  const ndjson = { "content-type": "application/x-ndjson" };
  for (const file of files) {
    expect(await send("/v1/batches", file, ndjson)).toBe(400);
    expect(await send("/v1/batches?skip_invalid=true&check=true", file, ndjson)).toBeLessThan(500);
  }
  await send("/v1/batches", JSON.stringify(good), {
    ...ndjson,
    "baton-defaults": `{"model": ${otherHeader}`,
  });
  await send(`/v1/batches?weight=${queryKey}`, JSON.stringify(good), ndjson);
  expect(
    await send("/v1/batches", `${JSON.stringify(good)}\n`, { ...ndjson, accept: "application/x-ndjson" }),
  ).toBe(200);
  const json = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  const calls = {
    submit_run: { input: "hi", model: "chat/good", max_turns: bodyKey },
    submit_batch: { lines: [{ custom_id: "a", input: "hi", model: bodyKey }] },
    get_run: { run_id: bodyKey },
    list_runs: { cursor: bodyKey },
  };
  for (const [name, args] of Object.entries(calls)) {
    const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } };
    await send("/mcp", JSON.stringify(message), { ...json, "mcp-session-id": otherHeader });
  }
  for (const body of [
    `{"api_key": ${bodyKey}`,
    `{"model": "chat/good", "input": "hi", "api_key": "${bodyKey}"}`,
  ]) {
    for (const path of ["/v1/runs", "/v1/chat/completions", "/v1/responses", "/mcp"])
      await send(path, body, json);
  }
}

/** Looks at everything that can be looked at. */
async function lookAround(call: Call, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await call("GET", `/v1/runs/${id}`);
    await call("GET", `/v1/runs/${id}/conversation`);
    await call("GET", `/v1/runs/${id}/events`, undefined, { "last-event-id": "0-0" });
  }
  for (const path of [
    "/v1/runs",
    "/v1/pools",
    "/v1/workers",
    "/v1/batches",
    "/v1/models",
    "/metrics",
    "/openapi.json",
  ]) {
    await call("GET", path);
  }
}

describe("no secret is kept or said (R9)", () => {
  test("whatever goes well or wrong", { timeout: 120_000 }, async () => {
    const world = await openWorld();
    const { secrets, provider, url, sources, store } = world;
    const { text } = await openApiKeys(store.connection, systemIds).create({
      name: "test",
      scopes: ["read", "submit", "operate"],
    });
    const apiKey = text.split("_")[2] ?? "";
    const call = caller(world, { authorization: `Bearer ${text}` });
    await until(async () => (await callApi(world.api.url, "GET", "/v1/runs")).status === 401, {
      what: "keys",
    });

    const ids = await driveRuns(call);
    await driveMistakes(call, world);
    await driveFiles(world, { authorization: `Bearer ${text}` });
    // Connections that are lost are told of, by whatever they were opened with.
    await store.connection.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no").catch(() => undefined);
    await until(() => store.connection.status === "ready", { what: "Redis to be back" });
    await until(async () => (await call("GET", "/v1/runs")).status === 200, { what: "the API to be back" });
    await lookAround(call, ids);
    const unreachable = await openFailFastConnection({ url: url.replace("password=", "password=x") }).catch(
      (e) => e,
    );
    world.note("an error at the start", inspect(unreachable, { depth: 8 }));

    const looker = await openFailFastConnection({ url });
    const kept = await allOfRedis(looker);
    looker.disconnect();
    const all = { ...secrets, apiKey };
    expect(findLeaks([...sources, ...kept], all)).toEqual([]);

    // It was not that nothing happened: the secrets were used, and each source has something to say.
    const shown = provider.shown.join("\n");
    const { chatKey, responsesKey, anthropicKey, providerHeader, mcpHeader, mcpQuery } = secrets;
    for (const used of [chatKey, responsesKey, anthropicKey, providerHeader, mcpHeader, mcpQuery]) {
      expect(shown).toContain(used);
    }
    const said = (where: string): string =>
      sources.flatMap((source) => (source.where.includes(where) ? [source.text] : [])).join("\n");
    expect(said("log")).toContain('"route":"/v1/runs"');
    expect(said("channel").length).toBeGreaterThan(0);
    expect(said("events")).toContain("[redacted]");
    expect(said("conversation")).toContain("[redacted]");
    expect(kept.length).toBeGreaterThan(100);
    // And what is looked for is found wherever it is: a leak that is planted in each of the sources.
    for (const { where } of [sources[0], kept[0]].filter((source) => source !== undefined)) {
      const planted = { where, text: `before ${encodeURIComponent(apiKey)} behind` };
      expect(findLeaks([planted], all)).toEqual([`apiKey in ${where}`]);
    }
  });
});

test("a secret is found as it is, in URLs, JSON, base64, hex and as a list of bytes", () => {
  const secret = `pass "word" ${randomBytes(12).toString("hex")}`;
  const texts = [
    secret,
    encodeURIComponent(secret),
    JSON.stringify({ secret }),
    Buffer.from(`user:${secret}`).toString("base64"),
    Buffer.from(`u:${secret}!`).toString("base64"),
    Buffer.from(secret).toString("hex"),
    JSON.stringify([...Buffer.from(secret)]),
  ];
  for (const text of texts)
    expect(findLeaks([{ where: "a", text: `x ${text} y` }], { secret })).toEqual(["secret in a"]);
  expect(findLeaks([{ where: "a", text: secret.slice(1) }], { secret })).toEqual([]);
});
