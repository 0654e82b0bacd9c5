import type { Item, NewItem } from "@baton/core";
import { modelIdSchema } from "@baton/core";
import { describe, expect, test } from "vitest";
import { messagesOf } from "./messages-of.ts";

const place = (item: NewItem, seq: number): Item => ({ v: 1, seq, phase: 0, epoch: 1, at: 0, ...item });
const from = modelIdSchema.parse("openai/gpt");
const to = modelIdSchema.parse("anthropic/claude");

describe("messages of a conversation", () => {
  test("leave out what was thought and what only steers", () => {
    const items: NewItem[] = [
      {
        role: "assistant",
        parts: [
          { type: "reasoning", text: "hm" },
          { type: "text", text: "a" },
        ],
      },
      { role: "assistant", parts: [{ type: "reasoning", text: "hm" }] },
      { role: "control", parts: [{ type: "tool_started", callId: "c" }] },
      { role: "control", parts: [{ type: "record", act: "retry", detail: {} }] },
    ];
    expect(messagesOf(items.map(place))).toEqual([{ role: "assistant", content: "a" }]);
  });

  test("tell a handoff as the user's words, as the next model read them", () => {
    const item: NewItem = {
      role: "user",
      parts: [{ type: "handoff", from, to, reason: "prose", brief: "write", context: "full", by: "model" }],
    };
    const [message] = messagesOf([place(item, 0)]);
    expect(message).toMatchObject({ role: "user", content: expect.stringContaining("Brief: write") });
  });

  test("give back arguments that were no JSON as the model wrote them", () => {
    const item: NewItem = {
      role: "assistant",
      parts: [{ type: "tool_call", callId: "c", name: "f", arguments: { kind: "invalid", raw: "{oops" } }],
    };
    expect(messagesOf([place(item, 0)])).toEqual([
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{oops" } }],
      },
    ]);
  });

  test("begin with the system's", () => {
    expect(messagesOf([], ["one", "two"])).toEqual([
      { role: "system", content: "one" },
      { role: "system", content: "two" },
    ]);
  });
});
