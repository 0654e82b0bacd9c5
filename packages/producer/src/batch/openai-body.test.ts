/** Lines of OpenAI's batch files become run specs; what cannot is refused with the name that the file has for it. */
import { describe, expect, test } from "vitest";
import { linesOf } from "./testing/bytes.ts";

const CHAT = "/v1/chat/completions";
const RESPONSES = "/v1/responses";
const HI = [{ role: "user", content: "hi" }];

async function read(url: string, body: object, method = "POST") {
  const [line] = await linesOf(JSON.stringify({ custom_id: "a", method, url, body }));
  if (line === undefined) throw new Error("no line");
  return line.kind === "run" ? line.spec : line.reason;
}

describe("a chat completion", () => {
  test("becomes a spec with its settings, tools and format", async () => {
    const tools = [{ type: "function", function: { name: "look", parameters: { type: "object" } } }];
    const format = {
      type: "json_schema",
      json_schema: { name: "n", schema: { type: "object" }, strict: true },
    };
    const spec = await read(CHAT, {
      model: "gpt-5.2",
      messages: [{ role: "system", content: "be brief" }, ...HI],
      max_completion_tokens: 100,
      temperature: 0.5,
      top_p: 1,
      stop: "END",
      seed: 7,
      reasoning_effort: "low",
      parallel_tool_calls: false,
      response_format: format,
      tools,
      tool_choice: { type: "function", function: { name: "look" } },
      metadata: { team: "red" },
      user: "u1",
      n: 1,
      stream: false,
      store: null,
      logit_bias: {},
    });
    expect(spec).toEqual({
      model: "openai/gpt-5.2",
      messages: [{ role: "system", content: "be brief" }, ...HI],
      settings: {
        max_output_tokens: 100,
        temperature: 0.5,
        top_p: 1,
        stop: ["END"],
        seed: 7,
        effort: "low",
        parallel_tool_calls: false,
      },
      response_format: format,
      tools,
      tool_choice: { name: "look" },
      metadata: { team: "red", user: "u1" },
    });
  });

  test("keeps a model that names its provider, and turns of tools", async () => {
    const call = { id: "c", type: "function", function: { name: "look", arguments: "{}" } };
    const messages = [
      ...HI,
      { role: "assistant", content: null, refusal: null, annotations: [], tool_calls: [call] },
      { role: "tool", tool_call_id: "c", content: "seen" },
    ];
    expect(await read(CHAT, { model: "xai/grok", messages })).toEqual({
      model: "xai/grok",
      messages: [HI[0], { role: "assistant", tool_calls: [call] }, messages[2]],
    });
  });

  test.each<[body: object, says: RegExp]>([
    [{ n: 2 }, /^body\.n: Baton takes 1 alone$/],
    [{ stream: true }, /^body\.stream: Baton takes false alone$/],
    [{ logprobs: true }, /^body\.logprobs/],
    [{ audio: {} }, /^body\.audio: Baton has nothing/],
    [
      { web_search_options: {}, frequency_penalty: 1 },
      /^body\.web_search_options: .*; body\.frequency_penalty: /,
    ],
    [{ max_tokens: 0 }, /^body\.max_tokens: /],
    [
      { max_tokens: 1, max_completion_tokens: 1 },
      /^body\.max_completion_tokens: it says max_output_tokens a second/,
    ],
    [{ temperature: 3 }, /^body\.temperature: /],
    [{ reasoning_effort: "huge" }, /^body\.reasoning_effort: /],
    [{ metadata: { a: 1 } }, /^body\.metadata\.a: /],
    [{ metadata: { user: "a" }, user: "b" }, /^body\.user: it says metadata\.user a second time/],
    [{ user: "b", metadata: { user: "a" } }, /^body\.metadata: it says metadata\.user a second time/],
    [{ messages: [{ role: "user", content: [{ type: "input_audio" }] }] }, /^body\.messages\.0\.content/],
    [{ messages: undefined }, /^body\.input: give either input or messages/],
    [{ tools: [{ type: "custom", custom: {} }] }, /^body\.tools\.0/],
    [{ constructor: 1 }, /^body\.constructor: Baton has nothing/],
  ])("with %j is refused by its field", async (body, says) => {
    expect(await read(CHAT, { model: "gpt", messages: HI, ...body })).toMatch(says);
  });
});

describe("a response", () => {
  test("becomes a spec, its items messages", async () => {
    const spec = await read(RESPONSES, {
      model: "gpt-5.2",
      instructions: "be brief",
      input: [
        { role: "user", content: [{ type: "input_text", text: "look" }] },
        { type: "function_call", call_id: "c1", name: "look", arguments: "{}" },
        { type: "function_call", call_id: "c2", name: "look", arguments: "{}" },
        { type: "function_call_output", call_id: "c1", output: "one" },
        { type: "function_call_output", call_id: "c2", output: "two" },
        {
          type: "message",
          role: "user",
          content: [
            { type: "input_image", image_url: "https://a.b/c.png", detail: "low" },
            { type: "input_file", file_data: "data:text/plain;base64,aGk=", filename: "a.txt" },
          ],
        },
      ],
      max_output_tokens: 100,
      reasoning: { effort: "high", summary: null },
      text: {
        format: { type: "json_schema", name: "n", description: null, schema: {}, strict: true },
        verbosity: "low",
      },
      tools: [{ type: "function", name: "look", parameters: {}, description: null, strict: true }],
      tool_choice: { type: "function", name: "look" },
      truncation: "disabled",
    });
    const call = (id: string) => ({ id, type: "function", function: { name: "look", arguments: "{}" } });
    expect(spec).toEqual({
      model: "openai/gpt-5.2",
      instructions: "be brief",
      messages: [
        { role: "user", content: [{ type: "text", text: "look" }] },
        { role: "assistant", content: null, tool_calls: [call("c1"), call("c2")] },
        { role: "tool", tool_call_id: "c1", content: "one" },
        { role: "tool", tool_call_id: "c2", content: "two" },
        {
          role: "user",
          content: [
            { type: "image_url", image_url: { url: "https://a.b/c.png", detail: "low" } },
            { type: "file", file: { file_data: "data:text/plain;base64,aGk=", filename: "a.txt" } },
          ],
        },
      ],
      settings: { max_output_tokens: 100, effort: "high", verbosity: "low" },
      response_format: { type: "json_schema", json_schema: { name: "n", schema: {}, strict: true } },
      tools: [{ type: "function", function: { name: "look", parameters: {}, strict: true } }],
      tool_choice: { name: "look" },
    });
  });

  test("takes the results of its calls as a text or as parts", async () => {
    const spec = await read(RESPONSES, {
      model: "gpt",
      input: [
        { type: "function_call", call_id: "c1", name: "look", arguments: "{}" },
        { type: "function_call_output", call_id: "c1", output: [{ type: "input_text", text: "one" }] },
      ],
    });
    expect(spec).toMatchObject({
      messages: [{}, { role: "tool", tool_call_id: "c1", content: [{ type: "text", text: "one" }] }],
    });
  });

  test("takes calls of servers' tools as calls and their results", async () => {
    const output = { type: "mcp_call", server_label: "s", arguments: "{}" };
    const spec = await read(RESPONSES, {
      model: "gpt",
      input: [
        { ...output, id: "m1", name: "look", output: "one", error: null },
        { ...output, id: "m2", name: "see", output: null, error: { type: "http_error" } },
        { type: "message", role: "assistant", content: [{ type: "refusal", refusal: "I will not." }] },
        { role: "user", content: [{ type: "input_file", file_url: "https://a.b/c.pdf" }] },
      ],
    });
    const call = (id: string, name: string) => ({
      ...{ role: "assistant", content: null },
      tool_calls: [{ id, type: "function", function: { name, arguments: "{}" } }],
    });
    expect(spec).toMatchObject({
      messages: [
        call("m1", "look"),
        { role: "tool", tool_call_id: "m1", content: "one" },
        call("m2", "see"),
        { role: "tool", tool_call_id: "m2", content: '{"type":"http_error"}' },
        { role: "assistant", content: [{ type: "text", text: "I will not." }] },
        { role: "user", content: [{ type: "file", file: { file_data: "https://a.b/c.pdf" } }] },
      ],
    });
  });

  test("may be a text alone", async () => {
    expect(await read(RESPONSES, { model: "gpt", input: "hi" })).toEqual({
      model: "openai/gpt",
      input: "hi",
    });
  });

  test.each<[body: object, says: RegExp]>([
    [{ previous_response_id: "r" }, /^body\.previous_response_id: Baton has nothing/],
    [{ background: true }, /^body\.background/],
    [{ tools: [{ type: "web_search" }] }, /^body\.tools\.0: only functions/],
    [{ input: [{ type: "reasoning", summary: [] }] }, /^body\.input\.0: an item of type reasoning/],
    [
      { input: [{ role: "user", content: [{ type: "input_file", file_id: "f" }] }] },
      /^body\.input\.0\.content\.0: /,
    ],
    [{ reasoning: { summary: "auto" } }, /^body\.reasoning\.summary/],
    [{ text: { verbosity: "endless" } }, /^body\.text\.verbosity/],
    [{ max_output_tokens: -1 }, /^body\.max_output_tokens: /],
    [{ input: [{ role: "nobody", content: "x" }] }, /^body\.input\.0/],
    [{ text: { format: { type: "json_schema", name: "a b", schema: {} } } }, /^body\.text\.format/],
  ])("with %j is refused by its field", async (body, says) => {
    expect(await read(RESPONSES, { model: "gpt", input: "hi", ...body })).toMatch(says);
  });
});

test.each([
  [CHAT, "GET", /^method: it is "POST"/],
  ["/v1/embeddings", "POST", /^url: \/v1\/chat\/completions or \/v1\/responses/],
])("%s with %s is refused", async (url, method, says) => {
  expect(await read(url, { model: "gpt", input: "x" }, method)).toMatch(says);
});
