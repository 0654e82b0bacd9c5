/** What streams of compatible servers can hold, over HTTP with the real client. */
import { modelIdSchema } from "@baton/core";
import { expect, test } from "vitest";
import { caller, failure } from "../test-support/call-model.ts";
import { LOCAL, log, user } from "../test-support/items.ts";
import { sendEvents, wireServer } from "../test-support/wire-server.ts";

const chunk = (delta: unknown, finish_reason: string | null = null, extra: Record<string, unknown> = {}) => ({
  id: "c1",
  choices: [{ index: 0, delta, finish_reason }],
  ...extra,
});

async function read(model: typeof LOCAL, ...events: readonly unknown[]) {
  await using server = await wireServer((response) => sendEvents(response, events));
  return await caller(server.url, model, { request: { items: log(user("a"), user("b")) } })();
}

test("the usage comes behind the finish reason", async () => {
  const usage = {
    prompt_tokens: 100,
    completion_tokens: 50,
    total_tokens: 150,
    prompt_tokens_details: { cached_tokens: 60 },
    completion_tokens_details: { reasoning_tokens: 30 },
  };
  const { reply } = await read(
    LOCAL,
    chunk({ content: "so" }),
    chunk({}, "stop"),
    { choices: [], usage },
    "[DONE]",
  );
  expect(reply).toMatchObject({ stopReason: "end", parts: [{ type: "text", text: "so" }] });
  expect(reply.usage).toEqual({
    inputTokens: 100,
    cachedInputTokens: 60,
    cacheWriteTokens: 0,
    outputTokens: 50,
    reasoningTokens: 30,
  });
});

test("reasoning that a server counts beside the output is counted in it", async () => {
  const usage = {
    prompt_tokens: 100,
    completion_tokens: 20,
    total_tokens: 150,
    completion_tokens_details: { reasoning_tokens: 30 },
  };
  const { reply } = await read(LOCAL, chunk({ content: "so" }, "stop", { usage }), "[DONE]");
  expect(reply.usage).toMatchObject({ outputTokens: 50, reasoningTokens: 30 });
});

test("no usage, no id and no [DONE] are no harm", async () => {
  const { reply } = await read(LOCAL, { choices: [{ delta: { content: "so" }, finish_reason: "stop" }] });
  expect(reply).toMatchObject({ stopReason: "end", usage: { inputTokens: 0 } });
  expect(reply.origin.responseId).toBeUndefined();
});

test("calls without ids get ids of their place in the log, and stop a turn whatever the finish reason says", async () => {
  const calls = [
    { function: { name: "look", arguments: { p: 1 } } },
    { function: { name: "look", arguments: "{}" } },
  ];
  const { reply, deltas } = await read(LOCAL, chunk({ tool_calls: calls }), chunk({}, "stop"), "[DONE]");
  expect(reply.stopReason).toBe("tool_use");
  expect(reply.parts).toMatchObject([
    { callId: "call_2_0", arguments: { value: { p: 1 } } },
    { callId: "call_2_1", arguments: { value: {} } },
  ]);
  expect(deltas).toMatchObject([{ callId: "call_2_0" }, { callId: "call_2_1" }]);
});

test.each(["reasoning_content", "reasoning"])(
  "reasoning in %s is no text, and kept where it has to go back",
  async (field) => {
    const events = [
      chunk({ [field]: "h" }),
      chunk({ [field]: "m", content: "so" }),
      chunk({}, "stop"),
      "[DONE]",
    ];
    const { reply, deltas } = await read(LOCAL, ...events);
    expect(reply.parts).toEqual([
      { type: "reasoning", text: "hm" },
      { type: "text", text: "so" },
    ]);
    expect(deltas.map((delta) => delta.kind)).toEqual(["reasoning", "reasoning", "text"]);
    const deepseek = await read(modelIdSchema.parse("deepseek/deepseek-chat"), ...events);
    expect(deepseek.reply.parts[0]).toMatchObject({
      native: { type: "reasoning_content", field, text: "hm" },
    });
  },
);

test("content may come in pieces of its own", async () => {
  const content = [
    { type: "thinking", thinking: [] },
    { type: "text", text: "so" },
  ];
  expect((await read(LOCAL, chunk({ content }, "stop"), "[DONE]")).reply.parts).toEqual([
    { type: "text", text: "so" },
  ]);
});

test.each([
  ["stop", "end"],
  ["eos", "end"],
  ["length", "length"],
  ["content_filter", "content_filter"],
])("the finish reason %s is %s", async (told, stopReason) => {
  expect((await read(LOCAL, chunk({ content: "so" }, told), "[DONE]")).reply.stopReason).toBe(stopReason);
});

test("a refusal is told apart", async () => {
  expect((await read(LOCAL, chunk({ refusal: "I cannot" }, "stop"), "[DONE]")).reply).toMatchObject({
    stopReason: "refusal",
    parts: [{ type: "text", text: "I cannot" }],
  });
});

test.each<[unknown, string, unknown]>([
  [{ error: { code: 502, message: "upstream" } }, "provider_overloaded", "backoff"],
  [{ error: { type: "rate_limit_error", message: "slow" } }, "provider_rate_limited", "backoff"],
  [{ error: "exceed_context_size_error: too long" }, "context_too_long", "never"],
])("%j as a chunk is %s, retry %s", async (event, code, retry) => {
  await using server = await wireServer((response) =>
    sendEvents(response, [chunk({ content: "so" }), event]),
  );
  expect(await failure(caller(server.url, LOCAL))).toMatchObject({ code, retry });
});

test("a stop without a word is empty, and may be tried again", async () => {
  await using server = await wireServer((response) =>
    sendEvents(response, [chunk({ content: "" }, "stop"), "[DONE]"]),
  );
  expect(await failure(caller(server.url, LOCAL))).toMatchObject({
    code: "provider_protocol",
    retry: "backoff",
  });
});

test("the model that answered is told as the server names it, and a strange name is no harm", async () => {
  const dated = await read(LOCAL, chunk({ content: "so" }, "stop", { model: "qwen3-8b-q4" }), "[DONE]");
  expect(dated.reply.answeredBy).toBe("qwen3-8b-q4");
  const strange = await read(LOCAL, chunk({ content: "so" }, "stop", { model: 7 }), "[DONE]");
  expect(strange.reply.answeredBy).toBeUndefined();
});
