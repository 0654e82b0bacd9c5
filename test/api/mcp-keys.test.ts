/** `/mcp` of an API that asks for keys: each sees its own runs, and is offered what it may do. */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { type ApiRig, openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { type NewApiKeyGrant, openApiKeys } from "../../packages/store/src/api-keys.ts";
import { useRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { systemIds } from "../support/worker-rig.ts";

const redis = useRedis();
const clients: Client[] = [];
let api: ApiRig;
beforeEach(async () => {
  api = await openApiRig(redis.url);
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await api[Symbol.asyncDispose]();
});

const task = { input: "hi", model: "openai/gpt-5.2" };
const submittedSchema = z.object({ id: z.string() });
const listedSchema = z.object({ runs: z.array(submittedSchema), next_cursor: z.null() });

/** A key that the API knows by now. */
async function makeKey(grant: Omit<NewApiKeyGrant, "name">): Promise<string> {
  const { text } = await openApiKeys(api.store.connection, systemIds).create({ name: "test", ...grant });
  const headers = { authorization: `Bearer ${text}` };
  await until(async () => (await api.call("GET", "/v1/models", undefined, headers)).status === 200, {
    what: "the API to know the key",
  });
  return text;
}

async function connect(key: string): Promise<Client> {
  const client = new Client({ name: "test", version: "1" });
  const headers = { authorization: `Bearer ${key}` };
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${api.url}/mcp`), { requestInit: { headers } }),
  );
  clients.push(client);
  return client;
}

async function call(client: Client, name: string, args: Record<string, unknown>) {
  const result = CallToolResultSchema.parse(await client.callTool({ name, arguments: args }));
  const text = result.content.map((part) => (part.type === "text" ? part.text : "")).join("");
  return { isError: result.isError === true, text, value: result.structuredContent };
}

test("a key sees the runs and batches of its own namespace alone", async () => {
  const mine = await connect(await makeKey({ scopes: ["read", "submit"] }));
  const theirs = await connect(await makeKey({ scopes: ["read", "submit"] }));
  const { id } = submittedSchema.parse((await call(mine, "submit_run", task)).value);
  const lines = [{ custom_id: "a", body: task }];
  expect(await call(mine, "submit_batch", { lines, batch_id: "secret" })).toMatchObject({ isError: false });
  for (const [tool, args] of [
    ["get_run", { run_id: id }],
    ["wait_run", { run_id: id }],
    ["get_conversation", { run_id: id }],
    ["cancel_run", { run_id: id }],
    ["retry_run", { run_id: id }],
    ["get_batch", { batch_id: "secret" }],
    ["get_batch_results", { batch_id: "secret" }],
  ] as const) {
    const { isError, text } = await call(theirs, tool, args);
    expect([tool, isError, text]).toEqual([tool, true, expect.stringMatching(/^not_found: /)]);
    expect(await call(mine, "get_run", { run_id: id })).toMatchObject({ isError: false });
  }
  expect((await call(theirs, "list_runs", {})).value).toEqual({ runs: [], next_cursor: null });
  expect(listedSchema.parse((await call(mine, "list_runs", {})).value).runs).toHaveLength(2);
  // The same name in another namespace is another batch.
  expect((await call(theirs, "submit_batch", { lines, batch_id: "secret" })).value).toMatchObject({
    created: 1,
  });
});

test("a key that may only look is offered nothing else", async () => {
  const client = await connect(await makeKey({ scopes: ["read"] }));
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toContain("get_run");
  expect(tools.filter(({ annotations }) => annotations?.readOnlyHint !== true)).toEqual([]);
  expect(client.getInstructions()).toContain("not submit");
  expect(await call(client, "submit_run", task)).toMatchObject({ isError: true });
  expect((await call(client, "list_runs", {})).value).toEqual({ runs: [], next_cursor: null });
});

test("what a key is bounded to holds for tools too", async () => {
  const client = await connect(await makeKey({ scopes: ["read", "submit"], maxLive: 1 }));
  // Nobody serves it, so it stays.
  expect(await call(client, "submit_run", { ...task, model: "xai/grok" })).toMatchObject({ isError: false });
  const { isError, text } = await call(client, "submit_run", task);
  expect(isError).toBe(true);
  expect(text).toMatch(/^rate_limited: .*\ntry again in \d+ seconds$/);
});

test("without a key nobody comes in", async () => {
  await makeKey({ scopes: ["read"] });
  const { status, body } = await api.call("POST", "/mcp", { jsonrpc: "2.0", id: 1, method: "tools/list" });
  expect(status).toBe(401);
  expect(body).toMatchObject({
    jsonrpc: "2.0",
    error: { message: expect.stringMatching(/^unauthorized: /) },
  });
});
