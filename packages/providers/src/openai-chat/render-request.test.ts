import { handoffText, type ModelId, type ModelSettings, modelIdSchema, type Part } from "@baton/core";
import { describe, expect, test } from "vitest";
import {
  CLAUDE,
  call,
  GROK,
  handoff,
  LOCAL,
  log,
  request,
  result,
  says,
  thinking,
  tool,
  user,
} from "../test-support/items.ts";
import { renderRequest } from "./render-request.ts";

const messagesOf = (...args: Parameters<typeof request>) => renderRequest(request(...args)).body.messages;
const system = { role: "system", content: "Be brief." };
const toolCall = (id: string, args = "{}", name = "look") => ({
  id,
  type: "function",
  function: { name, arguments: args },
});
const answer = (id: string, content = "found") => ({ role: "tool", tool_call_id: id, content });
const image: Part = { type: "file", mediaType: "image/png", source: { kind: "base64", data: "AA==" } };
const shownImage = { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } };

test("tool messages stand right behind the calls, in call order", () => {
  const items = log(
    user("hi"),
    says(CLAUDE, thinking("hm"), "let me", call("a", "look", { p: 1 }), call("b")),
    result("b", "broke", { isError: true }),
    result("a"),
    user("and now?"),
  );
  expect(messagesOf(LOCAL, items)).toEqual([
    system,
    { role: "user", content: "hi" },
    { role: "assistant", content: "let me", tool_calls: [toolCall("a", '{"p":1}'), toolCall("b")] },
    answer("a"),
    answer("b", "Error: broke"),
    { role: "user", content: "and now?" },
  ]);
});

test("images of results follow behind all tool messages, in one user message", () => {
  const content = [{ type: "text" as const, text: "see" }, image as Part & { type: "file" }];
  const items = log(user("hi"), says(LOCAL, call("a"), call("b")), result("a", "", { content }), result("b"));
  expect(messagesOf(LOCAL, items).slice(2)).toEqual([
    { role: "assistant", content: null, tool_calls: [toolCall("a"), toolCall("b")] },
    answer("a", "see\n[The image or file of this result follows behind the results.]"),
    answer("b"),
    { role: "user", content: [{ type: "text", text: "From the result of look:" }, shownImage] },
  ]);
});

test("messages of the user are joined; text alone stays a string", () => {
  expect(messagesOf(LOCAL, log(user("a"), user("b")))).toEqual([system, { role: "user", content: "a\n\nb" }]);
  expect(messagesOf(LOCAL, log(user("a"), { role: "user", parts: [image] }))).toEqual([
    system,
    { role: "user", content: [{ type: "text", text: "a" }, shownImage] },
  ]);
});

test("a handoff is a plain user message, and the transfer an ordinary call", () => {
  const items = log(
    user("hi"),
    says(CLAUDE, call("t", "transfer_to_x")),
    result("t", "ok"),
    handoff(CLAUDE, LOCAL),
  );
  expect(messagesOf(LOCAL, items).slice(2)).toEqual([
    { role: "assistant", content: null, tool_calls: [toolCall("t", "{}", "transfer_to_x")] },
    answer("t", "ok"),
    {
      role: "user",
      content: handoffText({ from: CLAUDE, to: LOCAL, reason: "it is better at this", brief: "go on" }),
    },
  ]);
});

test("the messages never end with the assistant's", () => {
  expect(messagesOf(LOCAL, log(user("hi"), says(LOCAL, "so"))).at(-1)).toEqual({
    role: "user",
    content: "Continue.",
  });
});

test("reasoning goes back with calls to a server that wants it, and to no other", () => {
  const deepseek = modelIdSchema.parse("deepseek/deepseek-chat");
  const native = { type: "reasoning_content", field: "reasoning_content", text: "hm" };
  const thought: Part = { type: "reasoning", text: "hm", native };
  const items = (model: ModelId) =>
    log(user("hi"), says(model, thought, call("a")), result("a"), says(model, thought, "done"), user("more"));
  const back = messagesOf(deepseek, items(deepseek)).filter((message) => "reasoning_content" in message);
  expect(back).toMatchObject([{ tool_calls: [{}], reasoning_content: "hm" }]);
  expect(JSON.stringify(messagesOf(LOCAL, items(LOCAL)))).not.toContain("hm");
});

describe("settings", () => {
  const render = (model: string, settings: ModelSettings, extra = {}) =>
    renderRequest(request(modelIdSchema.parse(model), log(user("hi")), { settings, ...extra }));

  test("the usage is asked for, and the limit is named as the server knows it", () => {
    expect(render(LOCAL, { max_output_tokens: 9 }).body).toMatchObject({
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 9,
    });
    expect(render("proxy/gpt-4.1", { max_output_tokens: 9 }).body).toMatchObject({
      max_completion_tokens: 9,
    });
  });

  test("a model that can be told not to reason is told so, but with tools only where an effort may stand beside them", () => {
    const off: ModelSettings = { thinking: "off" };
    const tools = [tool("look")];
    expect(render("proxy/gpt-5.2", off, { tools }).body).toMatchObject({ reasoning_effort: "none" });
    for (const rendered of [render("proxy/gpt-5.6-sol", off, { tools }), render(LOCAL, off)]) {
      expect(rendered.body).not.toHaveProperty("reasoning_effort");
      expect(rendered.dropped).toEqual([]);
    }
  });

  test("a verbosity goes to the models of OpenAI that take one", () => {
    expect(render("proxy/gpt-5.2", { verbosity: "low" }).body).toMatchObject({ verbosity: "low" });
    const open = render(LOCAL, { verbosity: "low" });
    expect(open.body).not.toHaveProperty("verbosity");
    expect(open.dropped.map((each) => each.setting)).toEqual(["verbosity"]);
  });

  test("an open model takes sampling, stops and a seed", () => {
    const settings: ModelSettings = {
      temperature: 0,
      top_p: 1,
      stop: ["x"],
      seed: 3,
      parallel_tool_calls: true,
    };
    const { body, dropped } = render(LOCAL, settings);
    expect(body).toMatchObject({ ...settings });
    expect(dropped).toEqual([]);
  });

  test("what reasoning models refuse is dropped and told", () => {
    const settings: ModelSettings = { temperature: 0, stop: ["x"], effort: "high", thinking: "adaptive" };
    expect(render("proxy/o4-mini", settings).dropped.map((each) => each.setting)).toEqual([
      "stop",
      "temperature",
      "thinking",
    ]);
    expect(render(GROK, settings)).toMatchObject({
      body: { temperature: 0 },
      dropped: [{ setting: "stop" }, { setting: "thinking" }, { setting: "effort" }],
    });
    expect(render("proxy/gpt-5.6-luna", { effort: "low" }).dropped).toMatchObject([{ setting: "effort" }]);
    expect(render("proxy/gpt-5.6-luna", { effort: "low" }, { tools: [] }).body.reasoning_effort).toBe("low");
  });

  test("a tool whose schema is for strict mode is strict to OpenAI, and to no server that may not know it", () => {
    const tools = [tool("look", { strict: true })];
    const strictOf = (model: ModelId) =>
      render(model, {}, { tools }).body.tools?.map((one) => one.type === "function" && one.function.strict);
    expect(strictOf(modelIdSchema.parse("openai/gpt-5.2"))).toEqual([true]);
    expect(strictOf(LOCAL)).toEqual([undefined]);
  });

  test("tool choice and schema take the API's forms", () => {
    const json_schema = { name: "n", schema: { type: "object" } };
    const { body } = render(
      LOCAL,
      {},
      { toolChoice: { name: "look" }, responseFormat: { type: "json_schema", json_schema } },
    );
    expect(body.tool_choice).toEqual({ type: "function", function: { name: "look" } });
    expect(body.response_format).toEqual({ type: "json_schema", json_schema });
  });
});
