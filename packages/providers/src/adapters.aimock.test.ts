/** The three adapters with the real SDK clients over HTTP, against simulated models. */
import { LLMock } from "@copilotkit/aimock";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { caller, failure } from "./test-support/call-model.ts";
import { CLAUDE, GPT, LOCAL, log, request, result, says, tool, user } from "./test-support/items.ts";

let mock: LLMock;
beforeEach(async () => {
  mock = new LLMock({ port: 0, host: "127.0.0.1" });
  await mock.start();
});
afterEach(async () => {
  await mock.stop();
});

describe.each([CLAUDE, GPT, LOCAL])("%s", (model) => {
  test("streams its text, and the reply holds it whole with its origin", async () => {
    const text = "The answer is forty-two, as everybody knows by now.";
    mock.on(
      { userMessage: "hi" },
      { content: text, usage: { input_tokens: 7, output_tokens: 9, prompt_tokens: 7, completion_tokens: 9 } },
      { chunkSize: 5 },
    );
    const { reply, deltas } = await caller(mock.url, model)();
    const pieces = deltas.flatMap((delta) => (delta.kind === "text" ? [delta.text] : []));
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces.join("")).toBe(text);
    expect(reply).toMatchObject({
      stopReason: "end",
      usage: { inputTokens: 7, outputTokens: 9 },
      origin: { model, responseId: expect.any(String) },
    });
    expect(reply.parts.filter((part) => part.type === "text")).toMatchObject([{ text }]);
  });

  test("calls several tools in one turn, and goes on from their results", async () => {
    mock.on(
      { userMessage: "hi", hasToolResult: false },
      {
        toolCalls: [
          { id: "call_a", name: "look", arguments: '{"a":"1"}' },
          { id: "call_b", name: "look", arguments: "{}" },
        ],
      },
    );
    mock.on({ userMessage: "hi", hasToolResult: true }, { content: "both seen" });
    const first = await caller(mock.url, model, { request: { tools: [tool("look")] } })();
    expect(first.reply.stopReason).toBe("tool_use");
    expect(first.deltas.filter((delta) => delta.kind === "tool_call")).toHaveLength(2);
    const calls = first.reply.parts.filter((part) => part.type === "tool_call");
    expect(calls.map((call) => call.arguments)).toEqual([
      { kind: "object", value: { a: "1" } },
      { kind: "object", value: {} },
    ]);
    const items = log(
      user("hi"),
      { ...says(model), parts: [...first.reply.parts], origin: first.reply.origin },
      ...calls.map((call) => result(call.callId)),
    );
    const second = await caller(mock.url, model, { request: request(model, items) })();
    expect(second.reply).toMatchObject({ stopReason: "end" });
  });

  test("is called once for each call, also when it answers 429, and the wait is told", async () => {
    mock.on(
      { userMessage: "hi" },
      { error: { message: "slow down", type: "rate_limit_error" }, status: 429, retryAfter: 3 },
    );
    expect(await failure(caller(mock.url, model))).toMatchObject({
      code: "provider_rate_limited",
      retry: { after: 3_000 },
    });
    expect(mock.getRequests()).toHaveLength(1);
  });

  test("may fail with 500, which is worth another try", async () => {
    mock.on({ userMessage: "hi" }, { error: { message: "oops", type: "server_error" }, status: 500 });
    expect(await failure(caller(mock.url, model))).toMatchObject({
      code: "provider_overloaded",
      retry: "backoff",
    });
    expect(mock.getRequests()).toHaveLength(1);
  });

  test("may break off its reply, which is worth another try", async () => {
    mock.on(
      { userMessage: "hi" },
      { content: "a long answer that is cut" },
      { chunkSize: 3, truncateAfterChunks: 4, latency: 5 },
    );
    expect(await failure(caller(mock.url, model))).toMatchObject({
      code: "provider_protocol",
      retry: "backoff",
    });
  });

  test("may answer nonsense, which is worth another try", async () => {
    mock.on({ userMessage: "hi" }, { content: "x" }, { chaos: { malformedRate: 1 } });
    expect(await failure(caller(mock.url, model))).toMatchObject({
      code: "provider_protocol",
      retry: "backoff",
    });
  });

  test("shows its reasoning apart from its text", async () => {
    mock.on({ userMessage: "hi" }, { content: "so", reasoning: "I think" });
    const { reply, deltas } = await caller(mock.url, model)();
    const shown = deltas.flatMap((delta) => (delta.kind === "reasoning" ? [delta.text] : []));
    expect(shown.join("")).toBe("I think");
    expect(reply.parts.map((part) => part.type)).toEqual(["reasoning", "text"]);
  });
});

// The simulated Anthropic mends them; its reader has a test of its own.
test.each([GPT, LOCAL])(
  "%s may write arguments that are no JSON, which are kept as they are",
  async (model) => {
    mock.on({ userMessage: "hi" }, { toolCalls: [{ name: "look", arguments: '{"a": ' }] });
    const { reply } = await caller(mock.url, model)();
    expect(reply.parts.find((part) => part.type === "tool_call")?.arguments).toEqual({
      kind: "invalid",
      raw: '{"a": ',
    });
  },
);
