import { parseConfig } from "@baton/core";
import { expect, test } from "vitest";
import { readChatRequest } from "./read-request.ts";

const config = parseConfig(
  { providers: { ollama: { api: "openai-chat" } }, models: { "ollama/qwen3:8b": {}, "ollama/gpt-oss": {} } },
  "the test's configuration",
);
const messages = [{ role: "user", content: "hi" }];

test.each([
  ["openai/gpt-5.2", "openai/gpt-5.2"],
  ["gpt-5.2", "openai/gpt-5.2"],
  ["o3", "openai/o3"],
  ["o4-mini", "openai/o4-mini"],
  ["claude-opus-4-5", "anthropic/claude-opus-4-5"],
  ["grok-4", "xai/grok-4"],
  ["qwen3:8b", "ollama/qwen3:8b"],
  // A configured model goes over a family.
  ["gpt-oss", "ollama/gpt-oss"],
])("the model %s is %s", (model, id) => {
  expect(read({ model, messages }).spec.model).toBe(id);
});

test.each(["llama", "nobody/gpt", "", "o1000", "/", "gpt 5"])("the model %j is not found", (model) => {
  expect(() => read({ model, messages })).toThrow(
    expect.objectContaining({ status: 404, code: "model_not_found", param: "model" }),
  );
});

test("a list of models has names and objects with settings", () => {
  const model = [
    "gpt-5.2",
    {
      model: "claude-opus-4-5",
      settings: { max_tokens: 9, temperature: null, stop: "x", reasoning: { effort: "xhigh" } },
    },
  ];
  expect(read({ model, messages }).spec.model).toEqual([
    "openai/gpt-5.2",
    { model: "anthropic/claude-opus-4-5", settings: { max_output_tokens: 9, stop: ["x"], effort: "max" } },
  ]);
});

test("an effort of none is no thinking, for all models and for one", () => {
  expect(read({ model: "gpt-5.2", messages, reasoning_effort: "none" }).spec.settings).toEqual({
    thinking: "off",
  });
  const model = [{ model: "gpt-5.2", settings: { reasoning_effort: "none" } }];
  expect(read({ model, messages }).spec.model).toEqual([
    { model: "openai/gpt-5.2", settings: { thinking: "off" } },
  ]);
});

test("one model with settings is a list of one", () => {
  expect(read({ model: { model: "gpt-5.2", settings: { top_p: 0.5 } }, messages }).spec.model).toEqual([
    { model: "openai/gpt-5.2", settings: { top_p: 0.5 } },
  ]);
});

test("a setting of one model that cannot be had is refused by its place", () => {
  const model = ["gpt-5.2", { model: "claude-opus-4-5", settings: { top_k: 3 } }];
  expect(() => read({ model, messages })).toThrow(
    expect.objectContaining({ code: "unsupported", param: "model.1.settings.top_k" }),
  );
});

test("a setting of one model that says what holds anyway is taken, and at another value refused", () => {
  const inert = { n: 1, frequency_penalty: 0, logprobs: false, logit_bias: {} };
  const of = (settings: object) => read({ model: [{ model: "gpt-5.2", settings }], messages }).spec.model;
  expect(of({ ...inert, seed: 1, verbosity: "low" })).toEqual([
    { model: "openai/gpt-5.2", settings: { seed: 1, verbosity: "low" } },
  ]);
  expect(() => of({ n: 2 })).toThrow(
    expect.objectContaining({ code: "unsupported", param: "model.0.settings.n" }),
  );
});

test.each([{}, { messages: null }, { input: null }])(
  "a request of %j is told that it wants messages",
  (body) => {
    expect(() => read({ model: "gpt-5.2", ...body })).toThrow(
      expect.objectContaining({ code: "invalid_spec", fields: { field: "messages" } }),
    );
  },
);

test.each([
  ["twice", "gpt-5.2", ["f", "f"]],
  ["as a transfer of the list", ["gpt-5.2", "claude-opus-4-5"], ["transfer_to_anthropic_claude_opus_4_5"]],
])("functions that are named %s are refused", (_how, model, names) => {
  const tools = names.map((name) => ({ type: "function", function: { name } }));
  expect(() => read({ model, messages, tools })).toThrow(
    expect.objectContaining({ code: "invalid_spec", fields: { field: "tools" } }),
  );
});

test("a function may be called like a transfer where nobody is handed to", () => {
  const tools = [{ type: "function", function: { name: "transfer_to_openai_gpt_5_2" } }];
  expect(read({ model: "gpt-5.2", messages, tools }).spec.tools).toHaveLength(1);
});

test("null for what is absent and marks for caches are left out wherever they stand", () => {
  const mark = { cache_control: { type: "ephemeral" } };
  const url = "https://example.com/dot.png";
  const file_data = "data:application/pdf;base64,JVBERi0=";
  const format = { name: "city", description: null, strict: null, schema: { type: "object", default: null } };
  const { spec } = read({
    ...{ model: "gpt-5.2", prompt_cache_options: { mode: "explicit" } },
    messages: [
      {
        role: "user",
        content: [
          { type: "image_url", image_url: { url, detail: null }, ...mark },
          { type: "file", file: { file_data, file_id: null, filename: null }, ...mark },
        ],
      },
    ],
    tools: [{ type: "function", function: { name: "f", description: null }, ...mark }],
    response_format: { type: "json_schema", json_schema: format },
  });
  expect(spec).toEqual({
    ...{ model: "openai/gpt-5.2", client_tools: "end" },
    messages: [
      {
        role: "user",
        content: [
          { type: "image_url", image_url: { url } },
          { type: "file", file: { file_data } },
        ],
      },
    ],
    tools: [{ type: "function", function: { name: "f" } }],
    response_format: {
      type: "json_schema",
      json_schema: { name: "city", schema: { type: "object", default: null } },
    },
  });
});

test("a server that is no string is refused by its place, with what is taken", () => {
  expect(() =>
    read({ model: "gpt-5.2", messages, mcp_servers: ["a", { url: "https://x.example" }] }),
  ).toThrow(expect.objectContaining({ param: "mcp_servers.1", message: expect.stringContaining("its URL") }));
});

test("Dedalus' fields become those of a spec, and its descriptions are kept as labels", () => {
  const { spec } = read({
    ...{ model: "gpt-5.2", messages, mcp_servers: "tsion/exa", max_turns: 4, tools: null, stream: false },
    ...{ agent_attributes: { depth: 0.5 }, model_attributes: { "gpt-5.2": { speed: 1 } } },
    ...{ thinking: { type: "enabled", budget_tokens: 2_000 }, stop_sequences: ["END"], guardrails: [] },
    ...{ automatic_tool_execution: true, handoff_config: {}, tool_choice: { type: "any" } },
  });
  expect(spec).toEqual({
    ...{
      model: "openai/gpt-5.2",
      messages,
      mcp_servers: ["tsion/exa"],
      max_turns: 4,
      tool_choice: "required",
    },
    settings: { thinking: { budget_tokens: 2_000 }, stop: ["END"] },
    metadata: { agent_attributes: '{"depth":0.5}', model_attributes: '{"gpt-5.2":{"speed":1}}' },
  });
});

test("input and instructions stand for messages", () => {
  const { spec } = read({ model: "gpt-5.2", input: "hi", instructions: "Be short." });
  expect(spec).toMatchObject({ input: "hi", instructions: "Be short." });
  expect(read({ model: "gpt-5.2", input: messages }).spec.messages).toEqual(messages);
});

test("parts of messages that no model is given are refused by their place", () => {
  const audio = { type: "input_audio", input_audio: { data: "", format: "wav" } };
  expect(() => read({ model: "gpt-5.2", messages: [{ role: "user", content: [audio] }] })).toThrow(
    expect.objectContaining({ code: "unsupported", param: "messages.0.content.0" }),
  );
});

test("of very many fields that are wrong the first are told, and no answer grows with them", () => {
  const body = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`field${index}`, 1]));
  const read = () =>
    readChatRequest({ model: "openai/gpt-5.2", messages, ...body, ["x".repeat(10_000)]: 1 }, config);
  expect(read).toThrow("field0: Baton has nothing");
  expect(read).toThrow(/^.{1,2000}$/);
});

test("what answers carry beside their text does not come back", () => {
  const call = {
    ...{ id: "c1", type: "function", index: 0 },
    function: { name: "f", arguments: "{}", parsed_arguments: null },
  };
  const answer = {
    ...{
      role: "assistant",
      content: null,
      refusal: null,
      parsed: { a: 1 },
      annotations: [{ type: "url_citation" }],
    },
    ...{ reasoning_content: "hm", audio: null, function_call: null, tool_calls: [call] },
  };
  const { spec } = read({
    model: "gpt-5.2",
    messages: [...messages, answer, { role: "tool", tool_call_id: "c1", content: "ok" }],
  });
  expect(spec.messages?.[1]).toEqual({
    role: "assistant",
    tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: "{}" } }],
  });
});

test("a client's own functions end the run, and a request without them has none", () => {
  const tool = { type: "function", function: { name: "f", strict: null } };
  expect(read({ model: "gpt-5.2", messages, tools: [tool] }).spec).toMatchObject({ client_tools: "end" });
  expect(read({ model: "gpt-5.2", messages, tools: [] }).spec).not.toHaveProperty("tools");
});

test("no function of the operator can be named", () => {
  expect(() => read({ model: "gpt-5.2", messages, tools: ["delete_everything"] })).toThrow(
    expect.objectContaining({ code: "unsupported", param: "tools.0" }),
  );
});

test("keywords of JSON Schema get their names back, and names of properties stay", () => {
  const parameters = {
    type: "object",
    additional_properties: false,
    properties: {
      any_of: { type: "string", min_length: 2 },
      user_name: { any_of: [{ type: "string" }, { type: "null" }] },
      list: { type: "array", items: { one_of: [{ const: { one_of: 1 } }] }, default: { max_items: 1 } },
    },
    $defs: { max_items: { type: "array", max_items: 3 } },
  };
  const { spec } = read({
    model: "gpt-5.2",
    messages,
    tools: [{ type: "function", function: { name: "f", parameters } }],
  });
  expect(spec.tools?.[0]).toMatchObject({
    function: {
      parameters: {
        type: "object",
        additionalProperties: false,
        properties: {
          any_of: { type: "string", minLength: 2 },
          user_name: { anyOf: [{ type: "string" }, { type: "null" }] },
          list: { type: "array", items: { oneOf: [{ const: { one_of: 1 } }] }, default: { max_items: 1 } },
        },
        $defs: { max_items: { type: "array", maxItems: 3 } },
      },
    },
  });
});

test("the usage of a stream is asked for in stream_options", () => {
  expect(
    read({ model: "gpt-5.2", messages, stream: true, stream_options: { include_usage: true } }),
  ).toMatchObject({
    stream: true,
    includeUsage: true,
  });
  expect(read({ model: "gpt-5.2", messages, stream: null, stream_options: null })).toMatchObject({
    stream: false,
    includeUsage: false,
  });
  expect(() => read({ model: "gpt-5.2", messages, stream: "yes" })).toThrow(/stream: true or false/);
});

function read(body: Readonly<Record<string, unknown>>) {
  return readChatRequest(body, config);
}
