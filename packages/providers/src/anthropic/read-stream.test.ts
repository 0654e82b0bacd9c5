/** What Anthropic's streams can hold, over HTTP with the real client. */
import { describe, expect, test } from "vitest";
import { caller, failure } from "../test-support/call-model.ts";
import { CLAUDE, log, request, result, user } from "../test-support/items.ts";
import { sendEvents, wireServer } from "../test-support/wire-server.ts";

const start = (usage: unknown = { input_tokens: 10 }) => ({
  type: "message_start",
  message: { id: "msg_1", usage },
});
const end = (stop_reason: string, usage: unknown = { output_tokens: 5 }) => [
  { type: "message_delta", delta: { stop_reason }, usage },
  { type: "message_stop" },
];
const block = (index: number, content_block: unknown, ...deltas: readonly unknown[]) => [
  { type: "content_block_start", index, content_block },
  ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
  { type: "content_block_stop", index },
];
const textBlock = (index: number, ...texts: readonly string[]) =>
  block(
    index,
    { type: "text", text: "", citations: null },
    ...texts.map((text) => ({ type: "text_delta", text })),
  );
const thinkingBlock = (index: number) =>
  block(
    index,
    { type: "thinking", thinking: "", signature: "" },
    { type: "thinking_delta", thinking: "let me " },
    { type: "thinking_delta", thinking: "see" },
    { type: "signature_delta", signature: "c2ln" },
  );
const toolBlock = (index: number, ...json: readonly string[]) =>
  block(
    index,
    { type: "tool_use", id: `toolu_${index}`, name: "look", input: {} },
    ...json.map((partial_json) => ({ type: "input_json_delta", partial_json })),
  );

async function read(...events: readonly unknown[]) {
  await using server = await wireServer((response) => sendEvents(response, events));
  return await caller(server.url, CLAUDE)();
}

describe("thinking", () => {
  test("keeps its text and signature, and goes back with them word for word", async () => {
    await using server = await wireServer((response, { body }) =>
      (body.messages as unknown[]).length === 1
        ? sendEvents(response, [start(), ...thinkingBlock(0), ...toolBlock(1, "{}"), ...end("tool_use")])
        : sendEvents(response, [start(), ...textBlock(0, "done"), ...end("end_turn")]),
    );
    const settings = { thinking: { budget_tokens: 2_000 } };
    const first = await caller(server.url, CLAUDE, { request: { settings } })();
    const native = { type: "thinking", thinking: "let me see", signature: "c2ln" };
    expect(first.reply.parts[0]).toEqual({ type: "reasoning", text: "let me see", native });
    const items = log(
      user("hi"),
      { role: "assistant", ...first.reply, parts: [...first.reply.parts] },
      result("toolu_1"),
    );
    await caller(server.url, CLAUDE, { request: request(CLAUDE, items, { settings }) })();
    expect(server.requests[1]?.body).toMatchObject({
      thinking: { type: "enabled", budget_tokens: 2_000 },
      messages: [{}, { role: "assistant", content: [native, { type: "tool_use", id: "toolu_1" }] }, {}],
    });
  });

  test("that was redacted is kept whole, and one without a signature has nothing to go back", async () => {
    const redacted = { type: "redacted_thinking", data: "c2VhbGVk" };
    const cut = block(1, { type: "thinking", thinking: "" }, { type: "thinking_delta", thinking: "hm" });
    const { reply } = await read(start(), ...block(0, redacted), ...cut, ...end("max_tokens"));
    expect(reply).toMatchObject({ stopReason: "length" });
    expect(reply.parts).toEqual([
      { type: "reasoning", text: "", native: redacted },
      { type: "reasoning", text: "hm" },
    ]);
  });
});

test("text and calls come as they are written; pings and unknown events are passed over", async () => {
  const { reply, deltas } = await read(
    start(),
    { type: "ping" },
    ...textBlock(0, "a", "b"),
    { type: "something_new", index: 9 },
    ...toolBlock(1, '{"p"', ": [1]}"),
    ...toolBlock(2),
    ...toolBlock(3, '{"p": '),
    ...end("tool_use"),
  );
  expect(deltas).toEqual([
    { kind: "text", text: "a" },
    { kind: "text", text: "b" },
    ...[1, 2, 3].map((index) => ({ kind: "tool_call", callId: `toolu_${index}`, name: "look" })),
  ]);
  expect(reply.parts).toEqual([
    { type: "text", text: "ab" },
    { type: "tool_call", callId: "toolu_1", name: "look", arguments: { kind: "object", value: { p: [1] } } },
    { type: "tool_call", callId: "toolu_2", name: "look", arguments: { kind: "object", value: {} } },
    { type: "tool_call", callId: "toolu_3", name: "look", arguments: { kind: "invalid", raw: '{"p": ' } },
  ]);
});

test("a block of the server's own is kept for the same model, with its input", async () => {
  const use = { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: {} };
  const { reply } = await read(
    start(),
    ...block(0, use, { type: "input_json_delta", partial_json: '{"q":"x"}' }),
    ...end("pause_turn"),
  );
  expect(reply).toMatchObject({
    stopReason: "pause_turn",
    parts: [{ type: "reasoning", text: "", native: { ...use, input: { q: "x" } } }],
  });
});

test("the input counts what was cached, and the last count of each kind holds", async () => {
  const { reply } = await read(
    start({
      input_tokens: 10,
      cache_creation_input_tokens: 20,
      cache_read_input_tokens: 300,
      output_tokens: 1,
    }),
    ...textBlock(0, "so"),
    ...end("end_turn", {
      output_tokens: 50,
      input_tokens: null,
      output_tokens_details: { thinking_tokens: 40 },
    }),
  );
  expect(reply.usage).toEqual({
    inputTokens: 330,
    cachedInputTokens: 300,
    cacheWriteTokens: 20,
    outputTokens: 50,
    reasoningTokens: 40,
  });
});

test.each([
  ["end_turn", "end"],
  ["stop_sequence", "end"],
  ["max_tokens", "length"],
  ["refusal", "refusal"],
  ["model_context_window_exceeded", "context_exceeded"],
])("the stop reason %s is %s", async (told, stopReason) => {
  expect((await read(start(), ...textBlock(0, "so"), ...end(told))).reply.stopReason).toBe(stopReason);
});

test.each([
  ["overloaded_error", "provider_overloaded", "backoff"],
  ["rate_limit_error", "provider_rate_limited", "backoff"],
  ["invalid_request_error", "provider_rejected", "never"],
])("an error of type %s inside the stream is %s", async (type, code, retry) => {
  await using server = await wireServer((response) =>
    sendEvents(response, [start(), ...textBlock(0, "so"), { type: "error", error: { type, message: "no" } }]),
  );
  const error = await failure(caller(server.url, CLAUDE));
  expect(error).toMatchObject({ code, retry, message: `anthropic answered ${type}: no` });
});

test.each([
  ["nothing at all", []],
  ["thinking alone", thinkingBlock(0)],
  ["white space", textBlock(0, " \n")],
])("a reply that ends with %s is empty, and may be tried again", async (_what, events) => {
  await using server = await wireServer((response) =>
    sendEvents(response, [start(), ...events, ...end("end_turn")]),
  );
  expect(await failure(caller(server.url, CLAUDE))).toMatchObject({
    code: "provider_protocol",
    retry: "backoff",
  });
});

test("a refusal without a word is a reply", async () => {
  expect((await read(start(), ...end("refusal"))).reply).toMatchObject({ stopReason: "refusal", parts: [] });
});

test("a setting that was left out is told before the reply", async () => {
  await using server = await wireServer((response) =>
    sendEvents(response, [start(), ...textBlock(0, "so"), ...end("end_turn")]),
  );
  const { deltas } = await caller(server.url, CLAUDE, { request: { settings: { temperature: 1 } } })();
  expect(deltas[0]).toMatchObject({ kind: "dropped_setting", setting: "temperature" });
  expect(server.requests[0]?.headers["anthropic-version"]).toBe("2026-10-21");
});

test("the model that answered is told as the provider names it, and a strange name is no harm", async () => {
  const named = (model: unknown) => ({ type: "message_start", message: { id: "msg_1", model, usage: {} } });
  const dated = await read(named("claude-opus-4-5-20251101"), ...textBlock(0, "so"), ...end("end_turn"));
  expect(dated.reply.answeredBy).toBe("claude-opus-4-5-20251101");
  const strange = await read(named(7), ...textBlock(0, "so"), ...end("end_turn"));
  expect(strange.reply.answeredBy).toBeUndefined();
});
