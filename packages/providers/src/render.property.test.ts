/**
 * Whatever conversation a run can leave in its log, each API accepts what is rendered of it: held against strict
 * validators, over all models, with and without thinking.
 */
import type { Item, ModelId, ModelRequest, ModelSettings, Part } from "@baton/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { renderRequest as renderAnthropic } from "./anthropic/render-request.ts";
import { renderRequest as renderChat } from "./openai-chat/render-request.ts";
import { renderRequest as renderResponses } from "./openai-responses/render-request.ts";
import { anthropicViolations } from "./test-support/anthropic-rules.ts";
import { chatViolations } from "./test-support/chat-rules.ts";
import { type CallSpec, conversation, THOUGHT, type TurnSpec } from "./test-support/conversations.ts";
import {
  apiOf,
  CLAUDE,
  CLAUDE_ADAPTIVE,
  GPT,
  GROK,
  LOCAL,
  PLAIN_GPT,
  request,
  tool,
} from "./test-support/items.ts";
import { responsesViolations } from "./test-support/responses-rules.ts";

const RUNS = { numRuns: 300 };
const MODELS = [CLAUDE, CLAUDE_ADAPTIVE, GPT, PLAIN_GPT, GROK, LOCAL];

interface Api {
  readonly render: (request: ModelRequest) => { readonly body: unknown };
  readonly violations: (body: unknown) => readonly string[];
}
const APIS: Readonly<Record<ReturnType<typeof apiOf>, Api>> = {
  "anthropic-messages": { render: renderAnthropic, violations: anthropicViolations },
  "openai-responses": { render: renderResponses, violations: responsesViolations },
  "openai-chat": { render: renderChat, violations: chatViolations },
};

const text = fc.oneof(
  { weight: 4, arbitrary: fc.string({ minLength: 1, maxLength: 12 }) },
  fc.constantFrom("", " ", "\n\n", "Error: no", "ü💡", "done"),
);
const file = fc.option(
  fc.constantFrom<NonNullable<CallSpec["file"]>>(
    { type: "file", mediaType: "image/png", source: { kind: "base64", data: "iVBORw0KGgo=" } },
    { type: "file", mediaType: "image/*", source: { kind: "url", url: "https://example.com/a.png" } },
    { type: "file", mediaType: "image/tiff", source: { kind: "base64", data: "AAAA" } },
    {
      type: "file",
      mediaType: "application/pdf",
      source: { kind: "base64", data: "JVBERi0=" },
      name: "a.pdf",
    },
    { type: "file", mediaType: "text/csv", source: { kind: "base64", data: "YSxiCg==" }, name: "" },
    { type: "file", mediaType: "application/octet-stream", source: { kind: "base64", data: "AAAA" } },
  ),
  { nil: undefined },
);
const callSpec: fc.Arbitrary<CallSpec> = fc.record({
  id: fc.oneof(
    fc.constantFrom("call_0", "call_1", "toolu_01AbC", "functions.look:0", "a".repeat(90), "ä ö", ""),
    fc.string({ minLength: 1, maxLength: 20 }),
  ),
  name: fc.constantFrom("look", "transfer_to_openai_gpt_5_2", "srv.tool/with:odd", "x".repeat(80)),
  invalid: fc.boolean(),
  answer: fc.constantFrom("ok", "ok", "ok", "error", "none"),
  text,
  file,
});
const turnSpec: fc.Arbitrary<TurnSpec> = fc.record({
  text,
  reasoning: fc.constantFrom("none", "sealed", "sealed", "open", "redacted"),
  calls: fc.array(callSpec, { maxLength: 3 }),
  thinksOn: fc.boolean(),
  reversed: fc.boolean(),
  oneItem: fc.boolean(),
  user: fc.option(fc.record({ text, file }), { nil: undefined, freq: 4 }),
});

/** Conversations that end where `model` is to be called: after a handoff to it, and maybe some turns of its own. */
function conversationFor(model: ModelId): fc.Arbitrary<Item[]> {
  const stretch = fc.record({
    model: fc.constantFrom<ModelId>(...MODELS),
    turns: fc.array(turnSpec, { maxLength: 3 }),
    silent: fc.boolean(),
  });
  return fc
    .record({
      opening: fc.constantFrom("Find it.", "ü"),
      stretches: fc.array(stretch, { maxLength: 3 }),
      own: fc.array(turnSpec, { maxLength: 4 }),
    })
    .map((spec) => conversation(model, spec));
}

const settings: fc.Arbitrary<ModelSettings> = fc.record(
  {
    temperature: fc.constantFrom(0, 0.7),
    top_p: fc.constant(0.9),
    max_output_tokens: fc.constantFrom(1, 500, 3_000, 900_000),
    effort: fc.constantFrom("minimal", "low", "high", "max"),
    thinking: fc.constantFrom<NonNullable<ModelSettings["thinking"]>>(
      "off",
      "adaptive",
      { budget_tokens: 1_024 },
      { budget_tokens: 2_000 },
      { budget_tokens: 150_000 },
    ),
    verbosity: fc.constantFrom("low", "medium", "high"),
    parallel_tool_calls: fc.boolean(),
    stop: fc.constantFrom([" "], ["END"]),
    seed: fc.constant(7),
  },
  { requiredKeys: [] },
);
const choice = fc.constantFrom<ModelRequest["toolChoice"]>(
  ...([undefined, "auto", "none", "required", { name: "look" }, { name: "missing" }] as const),
);
const tools = fc.constantFrom(
  [],
  [tool("look")],
  [
    tool("look", { description: "", inputSchema: {} }),
    tool("transfer_to_x", { inputSchema: { anyOf: [{}] } }),
  ],
);

function requestFor(model: ModelId): fc.Arbitrary<ModelRequest> {
  return fc
    .record({
      items: conversationFor(model),
      settings,
      toolChoice: choice,
      tools,
      instructions: fc.constantFrom("", "Do."),
    })
    .map((drawn) => request(model, drawn.items, drawn));
}

describe.each(MODELS)("a request to %s", (model) => {
  const api = APIS[apiOf(model)];

  test("is one that the API accepts, whatever stands in the log", () => {
    fc.assert(
      fc.property(requestFor(model), (drawn) => {
        expect(api.violations(api.render(drawn).body)).toEqual([]);
      }),
      RUNS,
    );
  });

  test("has the same bytes each time", () => {
    fc.assert(
      fc.property(requestFor(model), (drawn) => {
        const copy = { ...drawn, items: structuredClone(drawn.items) };
        expect(JSON.stringify(api.render(copy).body)).toBe(JSON.stringify(api.render(drawn).body));
      }),
      RUNS,
    );
  });

  test("begins with what the calls before it in the phase sent, but for the cache marks", () => {
    fc.assert(
      fc.property(
        conversationFor(model),
        fc.constantFrom<ModelSettings["thinking"]>(undefined, "off"),
        (items, thinking) => {
          // A reply of nothing but thinking leaves no trace, and so breaks the row.
          fc.pre(items.every((item) => item.role !== "assistant" || item.parts.some(isWord)));
          const blocksUpTo = (end: number) =>
            blocksOf(api.render(request(model, items.slice(0, end), { settings: { thinking } })).body);
          const whole = blocksUpTo(items.length);
          const begun = items.findLastIndex(
            (item) =>
              item.parts.some((part) => part.type === "handoff") ||
              (item.origin !== undefined && item.origin.model !== model),
          );
          for (const [index, item] of items.entries()) {
            if (index <= begun || item.role !== "assistant") continue;
            const before = blocksUpTo(index);
            expect(whole.slice(0, before.length)).toEqual(before);
          }
        },
      ),
      RUNS,
    );
  });

  test("is the same whatever is noted beside the conversation for people", () => {
    const note = (item: Item): Item => ({
      ...item,
      serverErrors: [{ server: "library", message: "it is down" }],
      parts: item.parts.map((part) => (part.type === "tool_result" ? { ...part, server: "desk" } : part)),
    });
    fc.assert(
      fc.property(requestFor(model), (drawn) => {
        const noted = { ...drawn, items: drawn.items.map(note) };
        expect(JSON.stringify(api.render(noted).body)).toBe(JSON.stringify(api.render(drawn).body));
      }),
      RUNS,
    );
  });

  test("holds no reasoning of another model, nor any as plain text", () => {
    fc.assert(
      fc.property(requestFor(model), (drawn) => {
        const own = new Set(
          drawn.items
            .filter((item) => item.origin?.model === model)
            .flatMap((item) =>
              item.parts.flatMap((part) => (part.type === "reasoning" ? [part.native] : [])),
            ),
        );
        const body = JSON.parse(JSON.stringify(api.render(drawn).body), (_key, value: unknown) =>
          [...own].some((native) => native !== undefined && same(native, value)) ? null : value,
        );
        expect(JSON.stringify(body)).not.toContain(THOUGHT);
      }),
      RUNS,
    );
  });
});

function isWord(part: Part): boolean {
  return part.type === "tool_call" || (part.type === "text" && part.text.trim() !== "");
}

function same(a: unknown, b: unknown): boolean {
  return typeof b === "object" && b !== null && JSON.stringify(a) === JSON.stringify(b);
}

/** The request's messages as a flat list of blocks with their role, without cache marks. */
function blocksOf(body: unknown): readonly string[] {
  const { messages, input } = body as { messages?: readonly unknown[]; input?: readonly unknown[] };
  const plain = (value: unknown) =>
    JSON.stringify(value, (key, inner: unknown) => (key === "cache_control" ? undefined : inner));
  return (messages ?? input ?? []).flatMap((message) => {
    const { role, content } = message as { role?: string; content?: unknown };
    return Array.isArray(content) && role !== undefined
      ? content.map((block) => `${role} ${plain(block)}`)
      : [plain(message)];
  });
}
