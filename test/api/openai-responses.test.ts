/** `/v1/responses` through the npm client of OpenAI, unchanged: what it sends, gets, throws and parses. */
import { BatonError, runIdSchema, textOf } from "@baton/core";
import type OpenAI from "openai";
import { BadRequestError, InternalServerError, NotFoundError } from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import type { ResponseInputItem } from "openai/resources/responses/responses";
import { expect, test } from "vitest";
import { z } from "zod";
import {
  callIn,
  lastRequest,
  researchThenWrite,
  thrownBy,
  toolResultsIn,
  useResponses,
  weather,
} from "../support/responses-rig.ts";
import { call, type Script, text } from "../support/scripted-model.ts";

const rig = useResponses();

test("a response is a run, whose id its own holds and a header names", async () => {
  rig.script = () => ({ parts: [text("Good day.")] });
  const { data, response } = await rig.client.responses
    .create({
      model: "gpt-5.2",
      instructions: "Be polite.",
      input: "Hello?",
      temperature: 0.5,
      max_output_tokens: 50,
      reasoning: { effort: "none", summary: "auto" },
      store: true,
      include: ["reasoning.encrypted_content"],
      user: "u1",
      metadata: { team: "a" },
    })
    .withResponse();
  expect(data).toMatchObject({
    ...{ object: "response", status: "completed", model: "openai/gpt-5.2", output_text: "Good day." },
    ...{ error: null, incomplete_details: null, instructions: "Be polite.", temperature: 0.5 },
    ...{ max_output_tokens: 50, reasoning: { effort: "none" }, previous_response_id: null },
    output: [{ type: "message", role: "assistant", status: "completed" }],
    usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
    completed_at: expect.any(Number),
    models_used: ["openai/gpt-5.2"],
    baton: { status: "succeeded" },
  });
  const runId = runIdSchema.parse(response.headers.get("x-baton-run-id"));
  expect(data.id).toBe(`resp_${runId}`);
  const { spec } = await rig.api.producer.get(runId);
  expect(spec.settings).toEqual({ temperature: 0.5, max_output_tokens: 50, thinking: "off" });
  expect(spec.metadata).toEqual({ user: "u1", team: "a" });
  expect(rig.api.models.calls.at(-1)?.request).toMatchObject({ instructions: "Be polite." });
  expect(await rig.client.responses.retrieve(data.id)).toEqual({ ...data, output_text: "Good day." });
});

test("messages of all roles, images and files reach the model", async () => {
  rig.script = () => ({ parts: [text("A cat.")] });
  const png = "data:image/png;base64,iVBORw0KGgo=";
  await rig.client.responses.create({
    model: "gpt-5.2",
    input: [
      { role: "developer", content: "Look closely." },
      { role: "user", content: "Hello." },
      { role: "assistant", content: "Hello?" },
      {
        role: "user",
        content: [
          { type: "input_text", text: "What is this?" },
          { type: "input_image", image_url: png, detail: "low" },
          { type: "input_file", file_data: "data:application/pdf;base64,JVBERg==", filename: "a.pdf" },
        ],
      },
    ],
  });
  const request = lastRequest(rig.api);
  expect(request.instructions).toBe("Look closely.");
  expect(request.items.map(({ role }) => role)).toEqual(["user", "assistant", "user"]);
  expect(request.items.at(-1)?.parts).toMatchObject([
    { type: "text", text: "What is this?" },
    { type: "file", mediaType: "image/png", detail: "low", source: { data: "iVBORw0KGgo=" } },
    { type: "file", mediaType: "application/pdf", name: "a.pdf" },
  ]);
});

test("a call of the caller's function ends the run; the next request brings output and result", async () => {
  rig.script = weatherman;
  const input: ResponseInputItem[] = [{ role: "user", content: "Weather in Oslo?" }];
  const asked = await rig.client.responses.create({ model: "gpt-5.2", input, tools: [weather] });
  expect(asked).toMatchObject({
    status: "completed",
    output_text: "Let me look.",
    tools: [{ name: "weather" }],
  });
  const made = callIn(asked);
  expect(made).toMatchObject({ name: "weather", arguments: '{"city":"Oslo"}', status: "completed" });
  input.push(...(asked.output as ResponseInputItem[]));
  input.push({ type: "function_call_output", call_id: made.call_id, output: "snow" });
  const answered = await rig.client.responses.create({ model: "gpt-5.2", input, tools: [weather] });
  expect(answered.output_text).toBe("It is: snow");
  expect(answered.id).not.toBe(asked.id);
});

test("responses.parse gives the object of a zod schema, and its output goes back as it is", async () => {
  rig.script = ({ responseFormat, items }) => {
    if (items.length > 1) return { parts: [text("second")] };
    expect(responseFormat).toMatchObject({
      type: "json_schema",
      json_schema: { name: "city", strict: true },
    });
    return { parts: [text('{"name":"Oslo","people":700000}')] };
  };
  const City = z.object({ name: z.string(), people: z.number() });
  const input: ResponseInputItem[] = [{ role: "user", content: "A city." }];
  const parsed = await rig.client.responses.parse({
    ...{ model: "gpt-5.2", input },
    text: { format: zodTextFormat(City, "city") },
  });
  expect(parsed.output_parsed).toEqual({ name: "Oslo", people: 700_000 });
  input.push(...(parsed.output as ResponseInputItem[]), { role: "user", content: "Another." });
  expect((await rig.client.responses.create({ model: "gpt-5.2", input })).output_text).toBe("second");
});

test("a list of models hands off inside, and tools of servers are items of the output", async () => {
  rig.script = researchThenWrite;
  const body = {
    // Lists are not in the client's types; they pass through it.
    model: ["openai/gpt-5.2", "anthropic/claude-opus-4-5"] as unknown as string,
    input: "Write about books.",
    tools: [{ type: "mcp" as const, server_label: "library", require_approval: "never" as const }],
  };
  const whole = await rig.client.responses.create(body);
  expect(whole).toMatchObject({
    ...{ model: "anthropic/claude-opus-4-5", status: "completed", output_text: "An essay on books." },
    models_used: ["openai/gpt-5.2", "anthropic/claude-opus-4-5"],
    usage: { total_tokens: 45 },
    baton: { handoffs: 1 },
    output: [
      { type: "reasoning", summary: [{ text: "Let me search." }] },
      {
        type: "mcp_call",
        server_label: "library",
        name: "search",
        arguments: '{"q":"books"}',
        output: "three books",
        error: null,
      },
      { type: "message" },
    ],
  });
  const streamed = await rig.client.responses.stream(body).finalResponse();
  expect(streamed.output_text).toBe("An essay on books.");
  expect(streamed.output.map(({ type }) => type)).toEqual(["reasoning", "mcp_call", "message"]);
  // What comes back of it is understood.
  const input: ResponseInputItem[] = [
    ...(whole.output as ResponseInputItem[]),
    { type: "mcp_list_tools", id: "mcpl_1", server_label: "library", tools: [] },
    { role: "user", content: "And films?" },
  ];
  rig.script = () => ({ parts: [text("Films, too.")] });
  expect((await rig.client.responses.create({ model: "gpt-5.2", input })).output_text).toBe("Films, too.");
  expect(toolResultsIn(lastRequest(rig.api))).toEqual(["three books"]);
});

test.each([
  [{ tools: [{ type: "web_search" }] }, "tools.0"],
  [
    { tools: [{ type: "mcp", server_label: "x", server_url: "https://x.example", authorization: "s3cret" }] },
    "tools.0.authorization",
  ],
  [{ tools: [{ type: "mcp", server_label: "x", require_approval: "always" }] }, "tools.0.require_approval"],
  [{ tools: [{ type: "mcp", server_label: "x", __defineGetter__: 1 }] }, "tools.0.__defineGetter__"],
  [{ tool_choice: { type: "web_search_preview" } }, "tool_choice"],
  [{ conversation: "conv_1" }, "conversation"],
  [{ prompt: { id: "p" } }, "prompt"],
  [{ truncation: "auto" }, "truncation"],
  [{ no_such_field: 1 }, "no_such_field"],
  [{ input: [{ type: "reasoning", id: "x", summary: [], encrypted_content: "sealed" }] }, "input.0"],
])("%j is refused by its name", async (extra, param) => {
  const error = await thrownBy(
    rig.client.responses.create({ model: "gpt-5.2", input: "?", ...(extra as object) }),
  );
  expect(error).toBeInstanceOf(BadRequestError);
  expect(error).toMatchObject({ code: "unsupported", param, type: "invalid_request_error" });
  expect(String(error)).not.toContain("s3cret");
});

test.each([
  [{ temperature: 7 }, "temperature"],
  [{ stream: "yes" }, "stream"],
  [{ input: [] }, "input"],
  [{ previous_response_id: 7 }, "previous_response_id"],
])("%j is a bad request with its field", async (extra, param) => {
  const error = await thrownBy(
    rig.client.responses.create({ model: "gpt-5.2", input: "?", ...(extra as object) }),
  );
  expect(error).toBeInstanceOf(BadRequestError);
  expect(error).toMatchObject({ code: "invalid_spec", param });
});

test("a run that fails is thrown once, as what it failed with; a model that nobody knows is not found", async () => {
  rig.script = () => {
    throw new BatonError("provider_auth", "the provider refused its key");
  };
  const before = rig.requests;
  for (const stream of [false, true]) {
    const error = await thrownBy(rig.client.responses.create({ model: "gpt-5.2", input: "?", stream }));
    expect(error).toBeInstanceOf(InternalServerError);
    expect(error).toMatchObject({
      status: 502,
      code: "provider_auth",
      error: { run_id: expect.stringMatching(/^r_/) },
    });
  }
  expect(rig.requests - before).toBe(2);
  expect(await thrownBy(ask({ model: "no-such-model" }))).toBeInstanceOf(NotFoundError);
});

const weatherman: Script = ({ items }) => {
  const result = items.flatMap(({ parts }) => parts).find((part) => part.type === "tool_result");
  return {
    parts:
      result === undefined
        ? [text("Let me look."), call("weather", { city: "Oslo" }, "call_1")]
        : [text(`It is: ${textOf({ parts: result.content })}`)],
  };
};

function ask(extra: Partial<OpenAI.Responses.ResponseCreateParamsNonStreaming> = {}, options = {}) {
  return rig.client.responses.create({ model: "gpt-5.2", input: "?", ...extra }, options);
}
