import { handoffText, type ModelSettings, type Part } from "@baton/core";
import { describe, expect, test } from "vitest";
import {
  CLAUDE,
  call,
  GPT,
  handoff,
  log,
  PLAIN_GPT,
  request,
  result,
  says,
  tool,
  user,
} from "../test-support/items.ts";
import { renderRequest } from "./render-request.ts";

const inputOf = (...args: Parameters<typeof request>) => renderRequest(request(...args)).body.input;

const assistant = (text: string) => ({ type: "message", role: "assistant", content: text });
const asks = (...texts: string[]) => ({
  type: "message",
  role: "user",
  content: texts.map((text) => ({ type: "input_text", text })),
});
const calls = (id: string, args = "{}", name = "look") => ({
  type: "function_call",
  call_id: id,
  name,
  arguments: args,
});
const outputs = (id: string, output: unknown = "found") => ({
  type: "function_call_output",
  call_id: id,
  output,
});

const REASONING = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "sealed" };
const MESSAGE = {
  type: "message",
  id: "msg_1",
  role: "assistant",
  status: "completed",
  phase: "commentary",
  content: [{ type: "output_text", text: "so", annotations: [] }],
};
const CALL = { ...calls("call_1"), id: "fc_1", status: "completed" };
const sealed: Part[] = [
  { type: "reasoning", text: "hm", native: REASONING },
  { type: "text", text: "so", native: MESSAGE },
  { ...(call("call_1") as Part & { type: "tool_call" }), native: CALL },
];

describe("reasoning", () => {
  test("goes back with the items that follow it, ids and all, to its own model", () => {
    const items = log(user("hi"), says(GPT, ...sealed), result("call_1"));
    expect(inputOf(GPT, items)).toEqual([asks("hi"), REASONING, MESSAGE, CALL, outputs("call_1")]);
  });

  test("is dropped at a model change, with every id that depends on it", () => {
    const items = log(
      user("hi"),
      says(GPT, ...sealed),
      result("call_1"),
      handoff(GPT, CLAUDE),
      says(CLAUDE, "mine"),
      handoff(CLAUDE, GPT),
    );
    const rendered = JSON.stringify(inputOf(GPT, items));
    for (const gone of ["sealed", "rs_1", "msg_1", "fc_1", "hm"]) expect(rendered).not.toContain(gone);
    expect(inputOf(GPT, items)).toContainEqual({ ...assistant("so"), phase: "commentary" });
    expect(JSON.stringify(inputOf(PLAIN_GPT, items))).not.toContain("commentary");
  });

  test.each<[string, Part]>([
    ["not sealed", { type: "reasoning", text: "hm", native: { ...REASONING, encrypted_content: null } }],
    ["not kept", { type: "reasoning", text: "hm" }],
  ])("that was %s takes the ids of its whole reply with it", (_why, reasoning) => {
    const items = log(user("hi"), says(GPT, reasoning, ...sealed.slice(1)), result("call_1"));
    expect(inputOf(GPT, items)).toEqual([
      asks("hi"),
      { ...assistant("so"), phase: "commentary" },
      calls("call_1"),
      outputs("call_1"),
    ]);
  });

  test("with nothing behind it is not sent", () => {
    const items = log(user("hi"), says(GPT, sealed[0] as Part), user("and?"));
    expect(inputOf(GPT, items)).toEqual([asks("hi"), asks("and?")]);
  });

  test("is asked for sealed, and nothing is stored", () => {
    expect(renderRequest(request(GPT, log(user("hi")))).body).toMatchObject({
      store: false,
      stream: true,
      include: ["reasoning.encrypted_content"],
    });
    expect(renderRequest(request(PLAIN_GPT, log(user("hi")))).body.include).toBeUndefined();
  });
});

describe("tool calls", () => {
  test("each is answered by call id, in call order; errors say that they are", () => {
    const items = log(
      user("hi"),
      says(CLAUDE, call("a", "look", { p: 1 }), call("b")),
      result("b", "broke", { isError: true }),
      result("a"),
    );
    expect(inputOf(GPT, items)).toEqual([
      asks("hi"),
      calls("a", '{"p":1}'),
      calls("b"),
      outputs("a"),
      outputs("b", "Error: broke"),
    ]);
  });

  test("an image in a result is content of the output", () => {
    const image = { type: "file", mediaType: "image/png", source: { kind: "base64", data: "AA==" } } as const;
    const items = log(
      user("hi"),
      says(GPT, call("a")),
      result("a", "", { content: [{ type: "text", text: "see" }, image] }),
    );
    expect(inputOf(GPT, items)).toContainEqual(
      outputs("a", [
        { type: "input_text", text: "see" },
        { type: "input_image", image_url: "data:image/png;base64,AA==", detail: "auto" },
      ]),
    );
  });

  test("ids longer than 64 characters are cut, and stay distinct", () => {
    const long = "x".repeat(70);
    const items = log(
      user("hi"),
      says(CLAUDE, call(`${long}1`), call(`${long}2`)),
      result(`${long}1`),
      result(`${long}2`),
    );
    const ids = (inputOf(GPT, items) as { call_id?: string }[]).flatMap((item) => item.call_id ?? []);
    expect(new Set(ids).size).toBe(2);
    expect(Math.max(...ids.map((id) => id.length))).toBeLessThanOrEqual(64);
  });
});

test("a handoff is a plain user message, and the transfer an ordinary call", () => {
  const items = log(
    user("hi"),
    says(CLAUDE, call("t", "transfer_to_gpt")),
    result("t", "ok"),
    handoff(CLAUDE, GPT),
  );
  expect(inputOf(GPT, items)).toEqual([
    asks("hi"),
    calls("t", "{}", "transfer_to_gpt"),
    outputs("t", "ok"),
    asks(handoffText({ from: CLAUDE, to: GPT, reason: "it is better at this", brief: "go on" })),
  ]);
});

test("files take the API's forms", () => {
  const base64 = { kind: "base64", data: "AA==" } as const;
  const items = log({
    role: "user",
    parts: [
      { type: "file", mediaType: "image/png", source: base64, detail: "low" },
      { type: "file", mediaType: "application/pdf", source: base64, name: "a.pdf" },
      { type: "file", mediaType: "application/pdf", source: { kind: "url", url: "https://x.test/a.pdf" } },
    ],
  });
  expect(inputOf(GPT, items)).toEqual([
    {
      type: "message",
      role: "user",
      content: [
        { type: "input_image", image_url: "data:image/png;base64,AA==", detail: "low" },
        { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,AA==" },
        { type: "input_file", file_url: "https://x.test/a.pdf" },
      ],
    },
  ]);
});

describe("settings", () => {
  const render = (model: typeof GPT, settings: ModelSettings, extra = {}) =>
    renderRequest(request(model, log(user("hi")), { settings, ...extra }));

  test("a reasoning model takes an effort and no temperature; others the other way round", () => {
    const settings: ModelSettings = { effort: "max", temperature: 0.5, top_p: 1 };
    const reasoning = render(GPT, settings);
    expect(reasoning.body).toMatchObject({ reasoning: { effort: "xhigh" } });
    expect(reasoning.body).not.toHaveProperty("temperature");
    expect(reasoning.dropped.map((each) => each.setting)).toEqual(["temperature", "top_p"]);
    const plain = render(PLAIN_GPT, settings);
    expect(plain.body).toMatchObject({ temperature: 0.5, top_p: 1 });
    expect(plain.body).not.toHaveProperty("reasoning");
    expect(plain.dropped.map((each) => each.setting)).toEqual(["effort"]);
  });

  test("what this API has not is dropped and told", () => {
    const { dropped } = render(GPT, {
      seed: 1,
      stop: ["x"],
      thinking: { budget_tokens: 2_000 },
      max_output_tokens: 1,
    });
    expect(dropped.map((each) => each.setting)).toEqual([
      "seed",
      "stop",
      "max_output_tokens",
      "thinking.budget_tokens",
    ]);
  });

  test("a model that can be told not to reason is told so", () => {
    expect(render(GPT, { thinking: "off" }).body.reasoning).toEqual({ effort: "none" });
    expect(render(GPT, { thinking: "off", effort: "low" }).body.reasoning).toEqual({ effort: "low" });
    const { body, dropped } = render(PLAIN_GPT, { thinking: "off" });
    expect(body).not.toHaveProperty("reasoning");
    expect(dropped).toEqual([]);
  });

  test("a verbosity stands beside the format; a model that takes none is told only what it does anyway", () => {
    const responseFormat = { type: "json_object" } as const;
    expect(render(GPT, { verbosity: "low" }).body.text).toEqual({ verbosity: "low" });
    expect(render(GPT, { verbosity: "high" }, { responseFormat }).body.text).toEqual({
      format: { type: "json_object" },
      verbosity: "high",
    });
    const plain = render(PLAIN_GPT, { verbosity: "low" });
    expect(plain.body).not.toHaveProperty("text");
    expect(plain.dropped).toEqual([{ setting: "verbosity", why: "this model does not take it" }]);
    expect(render(PLAIN_GPT, { verbosity: "medium" }).dropped).toEqual([]);
  });

  test("tools, the choice of one, and one call at a time", () => {
    const { body } = render(
      GPT,
      { parallel_tool_calls: false },
      {
        toolChoice: { name: "look" },
        tools: [tool("look", { inputSchema: {} }), tool("own", { strict: true })],
      },
    );
    expect(body).toMatchObject({
      tools: [
        { type: "function", name: "look", strict: false, parameters: { type: "object", properties: {} } },
        { type: "function", name: "own", strict: true },
      ],
      tool_choice: { type: "function", name: "look" },
      parallel_tool_calls: false,
    });
    expect(render(GPT, {}, { toolChoice: "required", tools: [] })).toMatchObject({
      body: expect.not.objectContaining({ tool_choice: "required" }),
      dropped: [{ setting: "tool_choice" }],
    });
  });

  test("a schema is the text format; JSON mode speaks of JSON", () => {
    const json_schema = { name: "n", schema: { type: "object" }, strict: true };
    expect(render(GPT, {}, { responseFormat: { type: "json_schema", json_schema } }).body.text).toEqual({
      format: { type: "json_schema", ...json_schema },
    });
    const mode = render(GPT, {}, { responseFormat: { type: "json_object" } }).body;
    expect(mode.text).toEqual({ format: { type: "json_object" } });
    expect(mode.instructions).toMatch(/JSON/);
  });
});
