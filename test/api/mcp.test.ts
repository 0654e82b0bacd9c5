/**
 * Baton as an MCP server, called by the official SDK's client over HTTP, with a real worker behind it. `mcp-keys.test.ts`
 * does so with API keys, `mcp-stdio.test.ts` with the command, and `mcp-conformance.test.ts` runs the protocol's own suite.
 */

import { BatonError } from "@baton/core";
import type { Producer } from "@baton/producer";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CallToolResultSchema, type Progress } from "@modelcontextprotocol/sdk/types.js";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MCP_TOOLS } from "../../apps/api/src/mcp/build-mcp-server.ts";
import { type ApiRig, openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { useRedis } from "../support/redis.ts";
import { type ScriptedReply, text } from "../support/scripted-model.ts";
import { until } from "../support/until.ts";

const redis = useRedis();
const LONG = "A sentence about nothing. ".repeat(40_000);

let api: ApiRig;
let client: Client;
/** Calls whose replies the model holds back until the test lets them go. */
let held: number;
let letGo: () => void;
let released: Promise<void>;

beforeEach(async () => {
  held = 0;
  ({ promise: released, resolve: letGo } = Promise.withResolvers<void>());
  api = await openApiRig(redis.url, { script: (request) => replyTo(JSON.stringify(request.items)) });
  client = await connect();
});
afterEach(async () => {
  await client.close();
  await api[Symbol.asyncDispose]();
});

async function replyTo(conversation: string): Promise<ScriptedReply> {
  if (conversation.includes("hold")) {
    held += 1;
    await released;
  }
  if (conversation.includes("write much")) return { parts: [text(LONG)] };
  if (conversation.includes("mend")) return { parts: [text("Mended.")] };
  if (conversation.includes("fail")) throw new BatonError("provider_rejected", "the model will not");
  return { parts: [text("Done.")] };
}

async function connect(): Promise<Client> {
  const one = new Client({ name: "test", version: "1" });
  await one.connect(new StreamableHTTPClientTransport(new URL(`${api.url}/mcp`)));
  return one;
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape, and assert what they find.
type Structured = any;

async function call(name: string, args: Record<string, unknown> = {}): Promise<Structured> {
  const result = CallToolResultSchema.parse(await client.callTool({ name, arguments: args }));
  if (result.isError === true) throw new Error(JSON.stringify(result.content));
  expect(JSON.parse(textOf(result.content))).toEqual(result.structuredContent);
  return result.structuredContent;
}

async function refused(name: string, args: Record<string, unknown>): Promise<string> {
  const result = CallToolResultSchema.parse(await client.callTool({ name, arguments: args }));
  expect(result.isError).toBe(true);
  return textOf(result.content);
}

function textOf(content: readonly { readonly type: string; readonly text?: unknown }[]): string {
  return content.map((part) => String(part.text)).join("");
}

/** A run at work: before a worker has it, it is queued. */
async function submitHeld(): Promise<string> {
  const { id } = await call("submit_run", { ...task, input: "hold" });
  await until(() => held === 1, { what: "the call" });
  return id;
}

const NOBODY = "r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V";
const task = { input: "hi", model: "openai/gpt-5.2" };

test("an assistant hands off a task, waits for it, and reads what the models wrote", async () => {
  const { id, created } = await call("submit_run", { ...task, idempotency_key: "one" });
  expect(created).toBe(true);
  expect(await call("wait_run", { run_id: id })).toMatchObject({
    id,
    status: "succeeded",
    final_output: "Done.",
    models_used: ["openai/gpt-5.2"],
    usage: { total_tokens: 15 },
    phases: [{ model: "openai/gpt-5.2", status: "succeeded", turns: 1 }],
  });
  expect((await call("get_conversation", { run_id: id })).items).toMatchObject([
    { role: "user", text: "hi" },
    { role: "assistant", model: "openai/gpt-5.2", text: "Done." },
  ]);
  const again = await call("submit_run", { ...task, idempotency_key: "one" });
  expect(again).toMatchObject({ id, created: false, status: "succeeded" });
  expect(await refused("submit_run", { ...task, input: "ho", idempotency_key: "one" })).toContain("conflict");
});

test("every tool tells an assistant what it takes, what it gives and what it does to the world", async () => {
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name).sort()).toEqual(MCP_TOOLS.map(({ name }) => name).sort());
  for (const { name, title, description, inputSchema, outputSchema, annotations } of tools) {
    expect(title, name).toBeTruthy();
    expect(description?.length, name).toBeGreaterThan(80);
    expect(inputSchema.additionalProperties, name).toBe(false);
    expect(Object.keys(outputSchema?.properties ?? {}).length, name).toBeGreaterThan(1);
    expect(annotations, name).toMatchObject({
      readOnlyHint: /^(get|list|wait)_/.test(name),
      destructiveHint: name === "cancel_run",
      openWorldHint: /^(submit|retry)_/.test(name),
    });
  }
});

test("what is wrong with a call is told with what to do, and nothing is submitted", async () => {
  const metadata = { test: "wrong" };
  expect(await refused("submit_run", { ...task, metadata, model: "gpt" })).toContain("openai/gpt-5.2");
  expect(await refused("submit_run", { ...task, metadata, model: 3 })).toContain("a list of them");
  expect(await refused("submit_run", { ...task, metadata, modle: "x" })).toContain("modle");
  expect(await refused("submit_run", { input: "hi", metadata })).toContain("either model");
  expect((await call("list_runs", { metadata })).runs).toEqual([]);
  expect(await refused("get_run", { run_id: NOBODY })).toMatch(/^not_found: there is no run/);
  expect(await refused("wait_run", { run_id: NOBODY })).toMatch(/^not_found: there is no run/);
  expect(await refused("list_runs", { cursor: "nonsense" })).toMatch(/^invalid_spec: .*cursor/);
});

test("a wait is over when its seconds are, and the run goes on", async () => {
  const id = await submitHeld();
  expect(await call("wait_run", { run_id: id, seconds: 0.05 })).toMatchObject({
    status: "running",
    final_output: null,
  });
  letGo();
  expect(await call("wait_run", { run_id: id })).toMatchObject({ status: "succeeded" });
});

test("a wait is over when the run waits for a person, and says what that one can do", async () => {
  const { id, notice } = await call("submit_run", { ...task, model: "xai/grok" });
  expect(notice).toContain("no live worker serves xai/grok");
  const waits = watchWaits(api.producer);
  const waiting = call("wait_run", { run_id: id, seconds: 60 });
  await until(() => waits.length === 1, { what: "the wait" });
  await api.producer.pause(id);
  const run = await waiting;
  expect(run).toMatchObject({ status: "waiting", waits_for: { reason: "paused" } });
  expect(run.notice).toContain(`baton runs resume ${id}`);
});

test("a wait tells how far the run is, to those who ask", async () => {
  const id = await submitHeld();
  const told: Progress[] = [];
  const waiting = client.callTool({ name: "wait_run", arguments: { run_id: id } }, undefined, {
    onprogress: (progress) => told.push(progress),
  });
  await until(() => messagesOf(told).includes("running at openai/gpt-5.2"), { what: "progress" });
  letGo();
  expect((await waiting).structuredContent).toMatchObject({ status: "succeeded" });
  expect(told.map(({ progress }) => progress)).toEqual(told.map((_, place) => place + 1));
});

test("a wait that the client cancels ends here too", async () => {
  const id = await submitHeld();
  const waits = watchWaits(api.producer);
  const cancel = new AbortController();
  const waiting = client.callTool({ name: "wait_run", arguments: { run_id: id } }, undefined, {
    signal: cancel.signal,
  });
  await until(() => waits.length === 1, { what: "the wait" });
  cancel.abort("enough");
  await expect(waiting).rejects.toThrow("enough");
  await until(() => waits[0]?.aborted === true, { what: "its end" });
  expect(await call("get_run", { run_id: id })).toMatchObject({ status: "running" });
});

test("a cancellation from another session ends nobody's call", async () => {
  const id = await submitHeld();
  const waits = watchWaits(api.producer);
  const waiting = post("mine", {
    id: 7,
    method: "tools/call",
    params: { name: "wait_run", arguments: { run_id: id } },
  });
  await until(() => waits.length === 1, { what: "the wait" });
  const cancelled = { method: "notifications/cancelled", params: { requestId: 7 } };
  expect((await post("another", cancelled)).status).toBe(202);
  letGo();
  expect(await (await waiting).text()).toContain("Done.");
});

test("a session that the client ends has no call left", async () => {
  const id = await submitHeld();
  const waits = watchWaits(api.producer);
  const waiting = post("mine", {
    id: 7,
    method: "tools/call",
    params: { name: "wait_run", arguments: { run_id: id } },
  });
  await until(() => waits.length === 1, { what: "the wait" });
  const headers = { "mcp-session-id": "mine" };
  expect((await fetch(`${api.url}/mcp`, { method: "DELETE", headers })).status).toBe(204);
  expect(await (await waiting).text()).not.toContain("final_output");
  expect(waits[0]?.aborted).toBe(true);
});

test("a client that goes away leaves no wait behind", async () => {
  const id = await submitHeld();
  const waits = watchWaits(api.producer);
  const gone = new AbortController();
  const request = { id: 1, method: "tools/call", params: { name: "wait_run", arguments: { run_id: id } } };
  const { body } = await post("mine", request, gone.signal);
  await until(() => waits.length === 1, { what: "the wait" });
  expect(body).not.toBeNull();
  gone.abort();
  await until(() => waits[0]?.aborted === true, { what: "its end" });
});

test("an output of a million characters comes in parts, none of them large", async () => {
  const { id } = await call("submit_run", { ...task, input: "write much" });
  let { final_output: whole, output_part: part } = await call("wait_run", { run_id: id });
  expect(part).toMatchObject({ from: 0, total_chars: LONG.length });
  while (part.next_from !== null) {
    const answer = await call("get_run", {
      run_id: id,
      output_from: part.next_from,
      output_chars: 100_000,
    });
    expect(JSON.stringify(answer).length).toBeLessThan(110_000);
    whole += answer.final_output;
    part = answer.output_part;
  }
  expect(whole).toBe(LONG);
  const [, reply] = (await call("get_conversation", { run_id: id })).items;
  expect(reply.text.length).toBeLessThanOrEqual(2_000);
  expect(reply.total_chars).toBe(LONG.length);
});

test("runs are listed page by page, by what they are", async () => {
  const metadata = { test: "list" };
  const ids: string[] = [];
  for (const input of ["a", "b", "c"]) ids.push((await call("submit_run", { ...task, input, metadata })).id);
  for (const id of ids) await call("wait_run", { run_id: id });
  const filter = { metadata, status: "succeeded", model: "openai/*" };
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await call("list_runs", { ...filter, limit: 2, cursor });
    expect(page.runs.length).toBeLessThanOrEqual(2);
    found.push(...page.runs.map((run: { id: string }) => run.id));
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  expect(found).toEqual(ids.toReversed());
  expect((await call("list_runs", { metadata, status: "failed" })).runs).toEqual([]);
});

test("a failed run says why, and goes on when it is retried; a cancelled one has ended", async () => {
  const { id } = await call("submit_run", { ...task, input: "fail" });
  expect(await call("wait_run", { run_id: id })).toMatchObject({
    status: "failed",
    error: { code: "provider_rejected", message: "the model will not" },
  });
  expect(await refused("cancel_run", { run_id: id })).toMatch(/^not_possible: /);
  await call("retry_run", { run_id: id, input: "mend", model: "anthropic/claude-opus-4-5" });
  expect(await call("wait_run", { run_id: id })).toMatchObject({
    status: "succeeded",
    model: "anthropic/claude-opus-4-5",
    final_output: "Mended.",
  });
  const { id: second } = await call("submit_run", { ...task, input: "hold" });
  expect(await call("cancel_run", { run_id: second })).toMatchObject({ id: second, status: "cancelled" });
});

test("a batch is checked whole, submitted once, and its results are read", async () => {
  const lines = ["a", "b", "c"].map((input) => ({ custom_id: `line-${input}`, body: { input } }));
  const defaults = { model: "openai/gpt-5.2" };
  const bad = [...lines, { custom_id: "bad", body: { input: "d", model: "gpt" } }];
  expect(await refused("submit_batch", { lines: bad, defaults, batch_id: "mine" })).toMatch(/line 4 \(bad\)/);
  expect(await refused("get_batch", { batch_id: "mine" })).toMatch(/^not_found: /);
  const { batch_id: id, ...counts } = await call("submit_batch", { lines, defaults });
  expect(counts).toMatchObject({ created: 3, known: 0, conflicts: [] });
  expect(await call("submit_batch", { lines, defaults })).toMatchObject({
    batch_id: id,
    created: 0,
    known: 3,
  });
  const other = [{ custom_id: "line-a", body: { input: "another" } }];
  expect(await call("submit_batch", { lines: other, defaults, batch_id: id })).toMatchObject({
    conflicts: [{ line: 1, custom_id: "line-a" }],
    conflicts_total: 1,
  });
  for (const { id: run } of (await call("list_runs", { batch_id: id })).runs) {
    await call("wait_run", { run_id: run });
  }
  expect(await call("get_batch", { batch_id: id })).toMatchObject({ total: 3, runs: { succeeded: 3 } });
  const first = await call("get_batch_results", { batch_id: id, limit: 2 });
  const rest = await call("get_batch_results", { batch_id: id, cursor: first.next_cursor });
  expect([...first.results, ...rest.results]).toMatchObject(
    lines.map(({ custom_id }) => ({ custom_id, status: "succeeded", final_output: "Done." })),
  );
  expect([first.results.length, rest.next_cursor]).toEqual([2, null]);
});

test("a client goes on when the API was started anew", async () => {
  const { id } = await call("submit_run", task);
  await api.restart();
  // The first call may still go to a connection that the old one closed.
  const run = await until(() => call("wait_run", { run_id: id }), { what: "an answer of the new one" });
  expect(run).toMatchObject({ status: "succeeded" });
});

test("a wait is answered with the run so far when the API stops", async () => {
  const id = await submitHeld();
  const waits = watchWaits(api.producer);
  const waiting = call("wait_run", { run_id: id, seconds: 60 });
  await until(() => waits.length === 1, { what: "the wait" });
  await api.restart();
  expect(await waiting).toMatchObject({ id, status: "running", final_output: null });
});

test("what is no message of the protocol is refused in its form", async () => {
  const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  const broken = await fetch(`${api.url}/mcp`, { method: "POST", headers, body: "{" });
  expect(broken.status).toBe(400);
  expect(await broken.json()).toMatchObject({ jsonrpc: "2.0", error: { code: -32_700 }, id: null });
  const large = await fetch(`${api.url}/mcp`, {
    method: "POST",
    headers,
    body: `"${"x".repeat(9_000_000)}"`,
  });
  expect(large.status).toBe(413);
  expect(await large.json()).toMatchObject({ jsonrpc: "2.0", id: null });
  const stream = await fetch(`${api.url}/mcp`, { headers: { accept: "text/event-stream" } });
  expect([stream.status, stream.headers.get("allow")]).toEqual([405, "POST, DELETE"]);
});

function messagesOf(told: readonly Progress[]): string {
  return told.map(({ message }) => message).join("; ");
}

/** The signals of the waits that the API begins from now on. */
function watchWaits(producer: Producer): AbortSignal[] {
  const signals: AbortSignal[] = [];
  const untilSettled = producer.untilSettled.bind(producer);
  producer.untilSettled = (id, signal) => {
    signals.push(signal);
    return untilSettled(id, signal);
  };
  return signals;
}

/** A message as a client would post it. */
function post(session: string, message: object, signal?: AbortSignal): Promise<Response> {
  return fetch(`${api.url}/mcp`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-session-id": session,
    },
    body: JSON.stringify({ jsonrpc: "2.0", ...message }),
    ...(signal === undefined ? {} : { signal }),
  });
}
