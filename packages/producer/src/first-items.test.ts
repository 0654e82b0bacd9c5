import { type ContentPart, type Message, parseRunSpec } from "@baton/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { firstItems } from "./first-items.ts";
import { messagesOf, systemTexts } from "./messages-of.ts";

const AT = 1_700_000_000_000;

const itemsOf = (fields: object) => firstItems(parseRunSpec({ model: "openai/gpt", ...fields }), AT);
const partsOf = (fields: object) => itemsOf(fields).map((item) => [item.role, item.parts]);

describe("input", () => {
  test("of text is one user item, in the first place of the first phase", () => {
    expect(itemsOf({ input: "hello" })).toEqual([
      { v: 1, seq: 0, phase: 0, epoch: 0, at: AT, role: "user", parts: [{ type: "text", text: "hello" }] },
    ]);
  });

  test("may hold images and files, by URL or as data", () => {
    const input = [
      { type: "text", text: "what is this?" },
      { type: "image_url", image_url: { url: "data:image/png;base64,aGVs bG8=", detail: "low" } },
      { type: "image_url", image_url: { url: "https://example.com/a.png" } },
      {
        type: "file",
        file: { file_data: "data:application/pdf;name=x;base64,aGVsbG8=", filename: "x.pdf" },
      },
    ];
    const png = { type: "file", mediaType: "image/png", source: { kind: "base64", data: "aGVsbG8=" } };
    expect(itemsOf({ input })[0]?.parts).toEqual([
      { type: "text", text: "what is this?" },
      { ...png, detail: "low" },
      { type: "file", mediaType: "image/*", source: { kind: "url", url: "https://example.com/a.png" } },
      { ...png, mediaType: "application/pdf", name: "x.pdf" },
    ]);
  });

  test.each([
    "file:///etc/passwd",
    "data:image/png,plain",
    "data:image/png;base64,***",
    "a.png",
    "javascript:1",
  ])("refuses the file %s", (url) => {
    const input = [{ type: "image_url", image_url: { url } }];
    expect(() => itemsOf({ input })).toThrow(expect.objectContaining({ code: "invalid_spec" }));
  });
});

test("the head of a data: URL is read in a moment, however long it is", () => {
  const part = (url: string) => ({ type: "image_url", image_url: { url } }) as const;
  const spec = (url: string) => ({
    ...parseRunSpec({ input: "x", model: "openai/gpt" }),
    input: [part(url)],
  });
  for (const url of [
    `data:a${";b".repeat(9_000_000)},`,
    `data:a${";base64".repeat(2_000_000)},!`,
    `data:a;base64,${"A".repeat(19_000_000)}!`,
  ]) {
    expect(() => firstItems(spec(url), 0)).toThrow("a file or image is given as an http(s) URL");
  }
  const image = `data:image/png;name=a;base64,${"A".repeat(19_000_000)}`;
  expect(firstItems(spec(image), 0)[0]?.parts).toMatchObject([{ mediaType: "image/png" }]);
});

test("arguments of calls that are nested too deep are kept as text", () => {
  const raw = `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  const call = { id: "c", type: "function", function: { name: "f", arguments: raw } } as const;
  const messages: readonly Message[] = [
    { role: "user", content: "x" },
    { role: "assistant", tool_calls: [call] },
    { role: "tool", tool_call_id: "c", content: "r" },
  ];
  const spec = parseRunSpec({ messages, model: "openai/gpt" });
  expect(firstItems(spec, 0)[1]?.parts).toMatchObject([{ arguments: { kind: "invalid" } }]);
});

describe("messages", () => {
  test("of the system are no items", () => {
    const messages = [
      { role: "system", content: "be brief" },
      { role: "developer", content: [{ type: "text", text: "be kind" }] },
      { role: "user", content: "hello" },
    ];
    expect(partsOf({ messages })).toEqual([["user", [{ type: "text", text: "hello" }]]]);
    expect(systemTexts(parseRunSpec({ model: "openai/gpt", instructions: "first", messages }))).toEqual([
      "first",
      "be brief",
      "be kind",
    ]);
  });

  test("of the system alone are refused", () => {
    const messages = [{ role: "system", content: "be brief" }];
    expect(() => itemsOf({ messages })).toThrow(/add a user message/);
  });

  test("of a tool get the name of the call that they answer", () => {
    const messages = [
      { role: "user", content: "2+3?" },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c1", type: "function", function: { name: "add", arguments: '{"a":2}' } }],
      },
      { role: "tool", tool_call_id: "c1", content: "5" },
    ];
    expect(partsOf({ messages }).slice(1)).toEqual([
      [
        "assistant",
        [{ type: "tool_call", callId: "c1", name: "add", arguments: { kind: "object", value: { a: 2 } } }],
      ],
      [
        "tool",
        [
          {
            type: "tool_result",
            callId: "c1",
            name: "add",
            isError: false,
            content: [{ type: "text", text: "5" }],
          },
        ],
      ],
    ]);
  });

  test("of a tool that answer no call are refused", () => {
    const messages = [{ role: "tool", tool_call_id: "c9", content: "5" }];
    expect(() => itemsOf({ messages })).toThrow(/c9/);
  });

  test.each([
    ["", { kind: "object", value: {} }],
    ["{oops", { kind: "invalid", raw: "{oops" }],
    ["[1]", { kind: "invalid", raw: "[1]" }],
    ["null", { kind: "invalid", raw: "null" }],
  ])("keep the arguments %j as what they are", (text, parsed) => {
    const messages = [
      {
        role: "assistant",
        tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: text } }],
      },
      { role: "tool", tool_call_id: "c", content: "" },
    ];
    const [first, second] = itemsOf({ messages });
    expect(first?.parts[0]).toMatchObject({ arguments: parsed });
    expect(second?.parts[0]).toMatchObject({ content: [] });
  });

  test("of an assistant keep a refusal as text, and without content are none", () => {
    const messages = [
      { role: "assistant", content: null, refusal: "I cannot" },
      { role: "assistant", content: "" },
      { role: "user", content: "why?" },
    ];
    expect(partsOf({ messages })).toEqual([
      ["assistant", [{ type: "text", text: "I cannot" }]],
      ["user", [{ type: "text", text: "why?" }]],
    ]);
  });
});

const base64 = fc
  .uint8Array({ minLength: 1, maxLength: 20 })
  .map((bytes) => Buffer.from(bytes).toString("base64"));
const textContent = fc.string({ minLength: 1 }).map((text): ContentPart => ({ type: "text", text }));
const fileContent = fc.oneof(
  base64.map(
    (data): ContentPart => ({ type: "image_url", image_url: { url: `data:image/png;base64,${data}` } }),
  ),
  fc.constant<ContentPart>({
    type: "image_url",
    image_url: { url: "https://example.com/i.png", detail: "high" },
  }),
  base64.map(
    (data): ContentPart => ({
      type: "file",
      file: { file_data: `data:application/pdf;base64,${data}`, filename: "a.pdf" },
    }),
  ),
);
/** Content in the one form in which it is given back: a lone text is a string. */
const content = fc.oneof(
  fc.string(),
  fc
    .tuple(fileContent, fc.array(fc.oneof(textContent, fileContent), { maxLength: 3 }))
    .map(([a, b]) => [a, ...b]),
);
const user = content.map((value): readonly Message[] => [{ role: "user", content: value }]);
const said = fc
  .string({ minLength: 1 })
  .map((value): readonly Message[] => [{ role: "assistant", content: value }]);
const round = fc
  .tuple(
    fc.option(fc.string({ minLength: 1 })),
    fc.uuid(),
    fc.dictionary(fc.string(), fc.jsonValue()),
    content,
  )
  .map(([before, id, args, result]): readonly Message[] => {
    // JSON has no negative zero.
    const text = JSON.stringify(JSON.parse(JSON.stringify(args)));
    return [
      {
        role: "assistant",
        content: before,
        tool_calls: [{ id, type: "function", function: { name: "f", arguments: text } }],
      },
      { role: "tool", tool_call_id: id, content: result },
    ];
  });

test("any conversation comes back from its items as the messages that it was", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(user, said, round), { maxLength: 6 }), fc.string(), (rounds, last) => {
      const messages = [...rounds.flat(), { role: "user" as const, content: last }];
      const items = itemsOf({ messages });
      expect(items.map((item) => item.seq)).toEqual(items.map((_, index) => index));
      expect(messagesOf(items)).toEqual(messages);
    }),
  );
});
