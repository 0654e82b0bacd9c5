/** What streams of the Responses API can hold, over HTTP with the real client. */
import { expect, test } from "vitest";
import { caller, failure } from "../test-support/call-model.ts";
import { GPT, log, request, result, user } from "../test-support/items.ts";
import { sendEvents, wireServer } from "../test-support/wire-server.ts";

const created = { type: "response.created", response: { id: "resp_1" } };
const done = (output_index: number, item: unknown) => ({
  type: "response.output_item.done",
  output_index,
  item,
});
const completed = (extra: Record<string, unknown> = {}) => ({
  type: "response.completed",
  response: { id: "resp_1", output: [], ...extra },
});
const message = (text: string, extra: Record<string, unknown> = {}) => ({
  type: "message",
  id: "msg_1",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text, annotations: [] }],
  ...extra,
});
const functionCall = (id: string, args = "{}") => ({
  type: "function_call",
  id: `fc_${id}`,
  call_id: `call_${id}`,
  name: "look",
  arguments: args,
  status: "completed",
});
const reasoning = (encrypted_content: string | null) => ({
  type: "reasoning",
  id: "rs_1",
  summary: [
    { type: "summary_text", text: "a" },
    { type: "summary_text", text: "b" },
  ],
  encrypted_content,
});

async function read(...events: readonly unknown[]) {
  await using server = await wireServer((response) => sendEvents(response, [created, ...events]));
  return await caller(server.url, GPT)();
}

test("the sealed reasoning is that of output_item.done, and goes back with what followed it", async () => {
  const reply = [
    done(0, reasoning("whole")),
    done(1, message("so")),
    done(2, functionCall("1", '{ "p": 1 }')),
  ];
  await using server = await wireServer((response, { body }) =>
    (body.input as unknown[]).length === 1
      ? sendEvents(response, [
          created,
          { type: "response.output_item.added", output_index: 0, item: reasoning("half") },
          { type: "response.output_item.added", output_index: 2, item: functionCall("1", "") },
          ...reply,
          completed(),
        ])
      : sendEvents(response, [created, done(0, message("done")), completed()]),
  );
  const first = await caller(server.url, GPT)();
  expect(first.deltas).toEqual([{ kind: "tool_call", callId: "call_1", name: "look" }]);
  expect(first.reply).toMatchObject({
    stopReason: "tool_use",
    parts: [
      { type: "reasoning", text: "a\n\nb", native: reasoning("whole") },
      { type: "text", text: "so" },
      { type: "tool_call", callId: "call_1", arguments: { kind: "object", value: { p: 1 } } },
    ],
  });
  const items = log(
    user("hi"),
    { role: "assistant", ...first.reply, parts: [...first.reply.parts] },
    result("call_1"),
  );
  await caller(server.url, GPT, { request: request(GPT, items) })();
  expect(server.requests[1]?.body.input).toMatchObject([
    { role: "user" },
    reasoning("whole"),
    message("so"),
    functionCall("1", '{ "p": 1 }'),
    { type: "function_call_output", call_id: "call_1" },
  ]);
});

test("reasoning that came unsealed is for people alone", async () => {
  const { reply } = await read(done(0, reasoning(null)), done(1, message("so")), completed());
  expect(reply.parts).toEqual([
    { type: "reasoning", text: "a\n\nb" },
    { type: "text", text: "so" },
  ]);
});

test("text, refusals and reasoning come as they are written, items in their order", async () => {
  const { reply, deltas } = await read(
    { type: "response.reasoning_summary_part.added", summary_index: 0 },
    { type: "response.reasoning_summary_text.delta", delta: "x" },
    { type: "response.reasoning_summary_part.added", summary_index: 1 },
    { type: "response.output_text.delta", delta: "s" },
    { type: "response.output_text.delta", delta: "o" },
    { type: "response.something_new", delta: 7 },
    done(1, functionCall("2")),
    done(0, message("so")),
    completed(),
  );
  expect(deltas).toEqual([
    { kind: "reasoning", text: "x" },
    { kind: "reasoning", text: "\n\n" },
    { kind: "text", text: "s" },
    { kind: "text", text: "o" },
  ]);
  expect(reply.parts.map((part) => part.type)).toEqual(["text", "tool_call"]);
});

test("items that only the end of the response holds are read from there", async () => {
  const { reply } = await read(completed({ output: [message("so"), functionCall("1", "{bad")] }));
  expect(reply.parts).toEqual([
    { type: "text", text: "so" },
    { type: "tool_call", callId: "call_1", name: "look", arguments: { kind: "invalid", raw: "{bad" } },
  ]);
});

test("the label of a message is kept with it", async () => {
  const labelled = message("so", { phase: "final_answer" });
  const { reply } = await read(done(0, labelled), completed());
  expect(reply.parts).toEqual([{ type: "text", text: "so", native: labelled }]);
});

test("the usage counts what was cached and what was reasoning", async () => {
  const usage = {
    input_tokens: 100,
    input_tokens_details: { cached_tokens: 60, cache_write_tokens: 10 },
    output_tokens: 50,
    output_tokens_details: { reasoning_tokens: 30 },
  };
  expect((await read(done(0, message("so")), completed({ usage }))).reply.usage).toEqual({
    inputTokens: 100,
    cachedInputTokens: 60,
    cacheWriteTokens: 10,
    outputTokens: 50,
    reasoningTokens: 30,
  });
});

test.each([
  ["max_output_tokens", "length"],
  ["content_filter", "content_filter"],
])("a response that is incomplete for %s stops with %s", async (reason, stopReason) => {
  const incomplete = {
    type: "response.incomplete",
    response: { id: "resp_1", incomplete_details: { reason } },
  };
  expect((await read(done(0, message("so", { status: "incomplete" })), incomplete)).reply).toMatchObject({
    stopReason,
    parts: [{ type: "text", text: "so" }],
  });
});

test("a refusal is told apart", async () => {
  const refusal = message("", { content: [{ type: "refusal", refusal: "I cannot" }] });
  expect((await read(done(0, refusal), completed())).reply).toMatchObject({
    stopReason: "refusal",
    parts: [{ type: "text", text: "I cannot" }],
  });
});

test.each<[unknown, string, unknown]>([
  [
    { type: "response.failed", response: { error: { code: "server_error", message: "oops" } } },
    "provider_overloaded",
    "backoff",
  ],
  [
    { type: "response.failed", response: { error: { code: "rate_limit_exceeded", message: "slow" } } },
    "provider_rate_limited",
    "backoff",
  ],
  [{ type: "error", code: "context_length_exceeded", message: "too long" }, "context_too_long", "never"],
  [{ type: "error", error: { type: "invalid_request_error", message: "no" } }, "provider_rejected", "never"],
  [{ type: "error", message: "?" }, "provider_overloaded", "backoff"],
])("%j inside the stream is %s, retry %s", async (event, code, retry) => {
  await using server = await wireServer((response) => sendEvents(response, [created, event]));
  expect(await failure(caller(server.url, GPT))).toMatchObject({ code, retry });
});

test("a response without a word is empty, and may be tried again", async () => {
  await using server = await wireServer((response) =>
    sendEvents(response, [created, done(0, reasoning("x")), completed()]),
  );
  expect(await failure(caller(server.url, GPT))).toMatchObject({
    code: "provider_protocol",
    retry: "backoff",
  });
});

test("the model that answered is told as the provider names it, and a strange name is no harm", async () => {
  const dated = await read(done(0, message("so")), completed({ model: "gpt-5.2-2025-12-11" }));
  expect(dated.reply.answeredBy).toBe("gpt-5.2-2025-12-11");
  const strange = await read(done(0, message("so")), completed({ model: 7 }));
  expect(strange.reply.answeredBy).toBeUndefined();
});
