import { BatonError, type RunId } from "@baton/core";
import type { RunService } from "@baton/producer";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { expect, test } from "vitest";
import { HttpProblem } from "../problem.ts";
import { buildMcpServer } from "./build-mcp-server.ts";

const RUN_ID = "r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V";

/** Calls `get_run` of a server whose runs answer so. */
async function callOn(get: (id: RunId) => ReturnType<RunService["get"]>) {
  const faults: unknown[] = [];
  const server = buildMcpServer({
    // The tool that is called reads the run first, and comes no further.
    runs: { get } as RunService,
    scopes: new Set(["read"]),
    version: "test",
    stopping: new AbortController().signal,
    onFault: (error, tool) => faults.push([tool, error]),
    callMsMax: 50,
  });
  const [here, there] = InMemoryTransport.createLinkedPair();
  const client = new Client({ name: "test", version: "1" });
  await server.connect(there);
  await client.connect(here);
  const result = CallToolResultSchema.parse(
    await client.callTool({ name: "get_run", arguments: { run_id: RUN_ID } }),
  );
  await client.close();
  const text = result.content.map((part) => (part.type === "text" ? part.text : "")).join("");
  return { isError: result.isError, text, faults };
}

test("an error that is meant for callers is told with its code", async () => {
  const error = new BatonError("not_found", "there is no such run");
  expect(await callOn(() => Promise.reject(error))).toEqual({
    isError: true,
    text: "not_found: there is no such run",
    faults: [],
  });
});

test("a fault of ours is logged, and no word of it is told", async () => {
  const error = new Error("connect to redis://user:hunter2@host");
  const { isError, text, faults } = await callOn(() => Promise.reject(error));
  expect(isError).toBe(true);
  expect(text).toMatch(/^internal: /);
  expect(text).not.toContain("hunter2");
  expect(faults).toEqual([["get_run", error]]);
});

test("who is bounded is told when to come again", async () => {
  const error = new HttpProblem("rate_limited", 429, "too many", { retryAfter: 7 });
  const { text } = await callOn(() => Promise.reject(error));
  expect(text).toBe("rate_limited: too many\ntry again in 7 seconds");
});

test("a store that does not answer is told of, instead of nothing", async () => {
  const { isError, text } = await callOn(() => Promise.withResolvers<never>().promise);
  expect(isError).toBe(true);
  expect(text).toMatch(/^redis_unreachable: no answer/);
});
