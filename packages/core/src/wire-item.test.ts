import { expect, test } from "vitest";
import { type Item, itemSchema } from "./item.ts";
import { itemOfWire, wireItem, wireItemSchema } from "./wire-item.ts";

const place = { v: 1, seq: 3, phase: 1, epoch: 2, at: 1_700_000_000_123 } as const;
const file = { type: "file", mediaType: "image/png", source: { kind: "url", url: "https://a.b/c" } } as const;

const items: readonly Item[] = [
  {
    ...place,
    role: "user",
    parts: [
      { type: "text", text: "hi" },
      { ...file, name: "a", detail: "low" },
    ],
  },
  {
    ...place,
    role: "assistant",
    parts: [
      { type: "reasoning", text: "so", native: { some_Thing: 1 } },
      {
        type: "tool_call",
        callId: "c1",
        name: "look",
        arguments: { kind: "object", value: { someName: [1] } },
      },
      { type: "tool_call", callId: "c2", name: "look", arguments: { kind: "invalid", raw: "{" } },
    ],
    origin: { provider: "openai", api: "openai-responses", model: "openai/gpt-5.2", responseId: "r1" },
    usage: { inputTokens: 9, cachedInputTokens: 3, cacheWriteTokens: 1, outputTokens: 5, reasoningTokens: 2 },
    costUsd: null,
    stopReason: "tool_use",
    serverErrors: [{ server: "acme/left", message: "it is down" }],
  },
  {
    ...place,
    role: "tool",
    parts: [
      {
        type: "tool_result",
        callId: "c1",
        name: "look",
        isError: true,
        content: [{ type: "text", text: "no" }, file],
        server: "acme/right",
      },
      { type: "tool_started", callId: "c2" },
    ],
  },
  {
    ...place,
    role: "control",
    parts: [
      { type: "record", act: "retry", detail: { costUsd: 1 } },
      {
        type: "handoff",
        from: "openai/gpt-5.2",
        to: "anthropic/claude-opus-4-5",
        reason: "r",
        brief: "b",
        context: "full",
        by: "model",
      },
    ],
  },
].map((item) => itemSchema.parse(item));

test.each(items)("an item of $role comes back from the wire as it was", (item) => {
  const sent: unknown = JSON.parse(JSON.stringify(wireItem(item)));
  expect(itemOfWire(wireItemSchema.parse(sent))).toEqual(item);
});

test("Baton's names are in snake_case on the wire, those of callers and models are as they were", () => {
  const text = JSON.stringify(items.map(wireItem));
  expect(text).not.toMatch(/"(?:mediaType|callId|isError|responseId|stopReason|serverErrors|inputTokens)"/);
  expect(text).toContain('"call_id":"c1"');
  expect(text).toContain('"value":{"someName":[1]}');
  expect(text).toContain('"detail":{"costUsd":1}');
});
