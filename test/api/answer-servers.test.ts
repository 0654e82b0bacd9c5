/** Servers of tools in answers: which one ran each call, and which could not be reached. */
import type { ToolDefinition, ToolHost } from "@baton/core";
import { Dedalus } from "dedalus-labs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ApiRig, openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { useRedis } from "../support/redis.ts";
import { call, type Script, text } from "../support/scripted-model.ts";

const redis = useRedis();
const GPT = "openai/gpt-5.2";
let api: ApiRig;
let isDown = true;

const tool = (name: string, server: string): ToolDefinition => ({
  ...{ name, description: "", inputSchema: { type: "object" } },
  ...{ readOnly: true, idempotent: true, approval: false },
  origin: { kind: "mcp", server, tool: name },
});

/** Two servers with a tool each, and one that is down, until it is up. */
const host: ToolHost = {
  list: async ({ servers }) => ({
    tools: [tool("look", "library"), tool("fetch", "desk")],
    problems: servers.includes("shop") && isDown ? [{ server: "shop", message: "could not be reached" }] : [],
  }),
  call: async ({ name }) => ({
    isError: false,
    content: [{ type: "text", text: name }],
    server: name === "look" ? "library" : "desk",
  }),
  close: async () => undefined,
};

const both: Script = ({ items }) =>
  items.some(({ role }) => role === "tool")
    ? { parts: [text("Done.")] }
    : { parts: [call("look", {}, "a"), call("fetch", {}, "b")] };

beforeAll(async () => {
  const mcpServers = { library: { command: "x" }, desk: { command: "x" }, shop: { command: "x" } };
  api = await openApiRig(redis.url, { script: both, tools: host, config: { mcpServers } });
});
afterAll(async () => api[Symbol.asyncDispose]());

const chat = (servers: readonly string[], extra: object = {}) =>
  api.call("POST", "/v1/chat/completions", {
    ...{ model: GPT, messages: [{ role: "user", content: "?" }], mcp_servers: servers, ...extra },
  });

test("each result names the server that it came from, when several were named", async () => {
  const { body } = await chat(["library", "desk"]);
  const named = [
    ["look", "library"],
    ["fetch", "desk"],
  ];
  type Result = { readonly tool_name: string; readonly server_name: string };
  const told = body.mcp_tool_results.map((one: Result) => [one.tool_name, one.server_name]);
  expect(told.sort()).toEqual(named.toSorted());
  expect(body).not.toHaveProperty("mcp_server_errors");
  const { body: response } = await api.call("GET", `/v1/responses/resp_${body.id}`);
  type Item = { readonly type: string; readonly name: string; readonly server_label: string };
  const calls = response.output.filter(({ type }: Item) => type === "mcp_call");
  expect(calls.map((one: Item) => [one.name, one.server_label]).sort()).toEqual(named.toSorted());
  const { body: log } = await api.call("GET", `/v1/runs/${body.id}/conversation`);
  expect(JSON.stringify(log)).toContain('"server":"desk"');
});

test("a server that could not be reached is told with the answer, whole, streamed and looked up", async () => {
  isDown = true;
  const client = new Dedalus({ baseURL: api.url, apiKey: "any" });
  const messages = [{ role: "user" as const, content: "?" }];
  const asked = { model: GPT, messages, mcp_servers: ["library", "shop"] };
  const errors = { shop: { message: "could not be reached" } };
  const whole = await client.chat.completions.create(asked);
  expect(whole.mcp_server_errors).toEqual(errors);
  const chunks = await Array.fromAsync(await client.chat.completions.create({ ...asked, stream: true }));
  expect(chunks.filter((chunk) => "mcp_server_errors" in chunk)).toMatchObject([
    { choices: [{ finish_reason: "stop" }], mcp_server_errors: errors },
  ]);
  const { body } = await api.call("GET", `/v1/responses/resp_${whole.id}`);
  expect(body).toMatchObject({ status: "completed", mcp_server_errors: errors });
  isDown = false;
  expect((await client.chat.completions.create(asked)).mcp_server_errors).toBeUndefined();
});
