/** What a response keeps to, asked in the less common ways in which OpenAI's client can ask. */
import { BadRequestError } from "openai";
import type {
  ResponseCreateParamsNonStreaming,
  ResponseInputItem,
} from "openai/resources/responses/responses";
import { expect, test } from "vitest";
import {
  callIn,
  eventsOf,
  lastRequest,
  runOf,
  thrownBy,
  useResponses,
  weather,
} from "../support/responses-rig.ts";
import { call, text } from "../support/scripted-model.ts";

const rig = useResponses();

test("null is as good as nothing, and what OpenAI has by itself may be said", async () => {
  rig.script = () => ({ parts: [text("Fine.")] });
  const nothing = {
    ...{ background: null, conversation: null, include: null, instructions: null, max_output_tokens: null },
    ...{
      metadata: null,
      parallel_tool_calls: null,
      previous_response_id: null,
      prompt: null,
      reasoning: null,
    },
    ...{ service_tier: null, store: null, stream: null, stream_options: null, temperature: null, text: null },
    ...{ tool_choice: null, tools: null, top_logprobs: null, top_p: null, truncation: null, user: null },
  };
  const usual = {
    ...{ background: false, include: [], store: false, stream: null, text: { format: { type: "text" } } },
    ...{ tool_choice: "auto", tools: [{ ...weather, defer_loading: false }], truncation: "disabled" },
    ...{ reasoning: { effort: null, summary: "detailed", generate_summary: "auto" } },
  };
  for (const extra of [nothing, usual]) {
    const body = { model: "gpt-5.2", input: "?", ...extra } as unknown as { model: string; input: string };
    expect(await rig.client.responses.create(body)).toMatchObject({
      ...{ status: "completed", output_text: "Fine.", text: { format: { type: "text" } } },
      ...{ truncation: "disabled", previous_response_id: null, metadata: {} },
    });
  }
});

test("what a response began with is told to whoever looks it up, streams it or cancels it", async () => {
  rig.script = () => ({ parts: [text("Fine.")] });
  const first = await rig.client.responses.create({ model: "gpt-5.2", input: "?" });
  const next = { model: "gpt-5.2", input: "And?", previous_response_id: first.id, metadata: { team: "a" } };
  const second = await rig.client.responses.create(next);
  const told = { previous_response_id: first.id, metadata: { team: "a" } };
  expect(second).toMatchObject(told);
  const found = await rig.client.responses.retrieve(second.id);
  expect(found).toEqual(second);
  expect(found.metadata).toEqual({ team: "a" });
  expect(await rig.client.responses.stream({ response_id: second.id }).finalResponse()).toMatchObject(told);
  expect(await rig.client.responses.stream(next).finalResponse()).toMatchObject(told);
});

test("metadata are what was given, whatever their names, and not the fields that a run is found by", async () => {
  rig.script = () => ({ parts: [text("Fine.")] });
  const first = await rig.client.responses.create({ model: "gpt-5.2", input: "?" });
  expect(first).not.toHaveProperty("user");
  const fields = { user: "u-1", safety_identifier: "s-1", previous_response_id: first.id };
  const requests: readonly Partial<ResponseCreateParamsNonStreaming>[] = [
    { metadata: { team: "a" }, ...fields },
    { metadata: { user: "mine", previous_response_id: "x" }, safety_identifier: "s-1" },
    { metadata: { user: "mine", safety_identifier: "too" }, previous_response_id: first.id },
  ];
  for (const asked of requests) {
    const told = await rig.client.responses.create({ model: "gpt-5.2", input: "?", ...asked });
    const { metadata, user, safety_identifier, previous_response_id } = told;
    const given = { user: undefined, safety_identifier: undefined, previous_response_id: null, ...asked };
    expect({ metadata, user, safety_identifier, previous_response_id }).toEqual(given);
    expect(await rig.client.responses.retrieve(told.id)).toEqual(told);
  }
  const { body } = await rig.api.call("GET", "/v1/runs?metadata.user=u-1");
  expect(body.data).toHaveLength(1);
});

test("the time of its completion has only a response that is completed", async () => {
  const ask = () => rig.client.responses.create({ model: "gpt-5.2", input: "?" });
  rig.script = () => ({ parts: [text("Once upon")], stopReason: "length" });
  expect(await ask()).toMatchObject({ status: "incomplete", completed_at: null });
  rig.script = () => ({ parts: [text("Fine.")] });
  const { completed_at, created_at } = await ask();
  expect(completed_at).toBeGreaterThanOrEqual(created_at);
  const { id } = await rig.client.responses.create({
    ...{ model: "xai/grok-4", input: "?", background: true },
  });
  expect(await rig.client.responses.cancel(id)).toMatchObject({ status: "cancelled", completed_at: null });
});

test("a refusal and a text that was cut can be gone on from", async () => {
  for (const reply of [
    { parts: [text("I cannot.")], stopReason: "refusal" as const },
    { parts: [text("Once upon")], stopReason: "length" as const },
    { parts: [], stopReason: "length" as const },
  ]) {
    rig.script = () => reply;
    const first = await rig.client.responses.create({ model: "gpt-5.2", input: "?" });
    rig.script = () => ({ parts: [text("Of course.")] });
    const second = await rig.client.responses.create({
      ...{ model: "gpt-5.2", input: "Then another.", previous_response_id: first.id },
    });
    expect(second.output_text).toBe("Of course.");
    const said = lastRequest(rig.api).items.map(({ role }) => role);
    expect(said).toEqual(reply.parts.length === 0 ? ["user", "user"] : ["user", "assistant", "user"]);
  }
});

test("of calls that were cut the last one may not be whole, and the response is incomplete", async () => {
  const cut = { kind: "invalid" as const, raw: '{"city":"Os' };
  const parts = [
    ...[text("Both."), call("weather", { city: "Rome" }, "a")],
    { type: "tool_call" as const, callId: "b", name: "weather", arguments: cut },
  ];
  rig.script = () => ({ parts, stopReason: "length" });
  const body = { model: "gpt-5.2", input: "?", tools: [weather] };
  const told = {
    ...{ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } },
    output: [
      { type: "message", status: "completed" },
      { type: "function_call", status: "completed", arguments: '{"city":"Rome"}' },
      { type: "function_call", status: "incomplete", arguments: cut.raw },
    ],
  };
  expect(await rig.client.responses.create(body)).toMatchObject(told);
  const last = (await eventsOf(rig.client, body)).at(-1);
  expect(last).toMatchObject({ type: "response.incomplete", response: told });
});

test("a call that was refused with its reply, and never ran, is not gone on with", async () => {
  rig.script = () => ({
    parts: [text("I cannot."), call("weather", { city: "Oslo" }, "call_w")],
    stopReason: "refusal",
  });
  const first = await rig.client.responses.create({ model: "gpt-5.2", input: "?", tools: [weather] });
  expect(first.output.map(({ type }) => type)).toEqual(["message"]);
  rig.script = () => ({ parts: [text("Of course.")] });
  await rig.client.responses.create({
    ...{ model: "gpt-5.2", input: "Then another.", tools: [weather], previous_response_id: first.id },
  });
  const parts = lastRequest(rig.api).items.flatMap((item) => item.parts);
  expect(parts.map(({ type }) => type)).toEqual(["text", "text", "text"]);
});

test("requests with one key at the same moment are one response", async () => {
  let calls = 0;
  rig.script = () => ({ parts: [text(`answer ${++calls}`)] });
  const key = { headers: { "Idempotency-Key": "at once" } };
  const ask = () => rig.client.responses.create({ model: "gpt-5.2", input: "?" }, key);
  const answers = await Promise.all([ask(), ask(), ask(), ask()]);
  expect(new Set(answers.map(({ id, output_text }) => `${id} ${output_text}`)).size).toBe(1);
  expect(calls).toBe(1);
});

test("a cancelled response can be cancelled again; one that has ended cannot", async () => {
  const gate = Promise.withResolvers<void>();
  rig.script = async () => {
    await gate.promise;
    return { parts: [text("Too late.")] };
  };
  const { id } = await rig.client.responses.create({ model: "gpt-5.2", input: "?", background: true });
  expect((await rig.client.responses.cancel(id)).status).toBe("cancelled");
  expect((await rig.client.responses.cancel(id)).status).toBe("cancelled");
  gate.resolve();
  rig.script = () => ({ parts: [text("Done.")] });
  const done = await rig.client.responses.create({ model: "gpt-5.2", input: "?" });
  expect(await thrownBy(rig.client.responses.cancel(done.id))).toMatchObject({
    ...{ status: 409, code: "not_possible", type: "invalid_request_error" },
  });
});

test("a run of the chat endpoint is a response too, and can be gone on from", async () => {
  rig.script = () => ({ parts: [text("Hello.")] });
  const messages = [{ role: "user" as const, content: "Hello?" }];
  const chat = await rig.client.chat.completions.create({ model: "gpt-5.2", messages });
  for (const id of [chat.id, `resp_${chat.id}`]) {
    expect(await rig.client.responses.retrieve(id)).toMatchObject({
      ...{ id: `resp_${chat.id}`, output_text: "Hello." },
    });
    const next = await rig.client.responses.create({
      model: "gpt-5.2",
      input: "?",
      previous_response_id: id,
    });
    expect(next.output_text).toBe("Hello.");
  }
});

test("calls that were looked up in the background are answered by their ids", async () => {
  rig.script = ({ items }) =>
    items.some(({ role }) => role === "tool")
      ? { parts: [text("Snow.")] }
      : { parts: [call("weather", { city: "Oslo" }, "call_w")] };
  const body = { model: "gpt-5.2", tools: [weather] };
  const { id } = await rig.client.responses.create({ ...body, input: "Weather?", background: true });
  await rig.api.producer.untilSettled(runOf(id), AbortSignal.timeout(10_000));
  const asked = await rig.client.responses.retrieve(id);
  const output = { type: "function_call_output" as const, call_id: callIn(asked).call_id, output: "snow" };
  const next = await rig.client.responses.create({ ...body, previous_response_id: id, input: [output] });
  expect(next.output_text).toBe("Snow.");
  expect((await rig.api.producer.get(runOf(next.id))).run.forkedFrom?.run).toBe(runOf(id));
  const input = [{ role: "user", content: "Weather?" }, ...asked.output, output] as ResponseInputItem[];
  const whole = await rig.client.responses.create({ ...body, input });
  expect(whole.output_text).toBe("Snow.");
  expect((await rig.api.producer.get(runOf(whole.id))).run.forkedFrom?.run).toBe(runOf(id));
});

const image = (part: object) => [{ role: "user", content: [{ type: "input_image", ...part }] }];
const mcp = { type: "mcp", server_label: "library" };

test.each([
  [{ input: undefined }, "input", "missing"],
  [{ input: null }, "input", "missing"],
  [{ model: null }, "model", "missing"],
  [{ input: "" }, "input", "empty"],
  [{ input: image({ file_id: "file_1", detail: "auto" }) }, "input.0.content.0", "no ids of files"],
  [{ input: image({ image_url: null, detail: "low" }) }, "input.0.content.0", "as data or by URL"],
  [{ input: [{ role: "system", content: "x" }] }, "input", "user message"],
  [{ input: [{ type: "function_call_output", call_id: "a", output: "x" }] }, "input", "no call"],
  [
    {
      input: [
        { type: "reasoning", id: "x", summary: [] },
        { role: "user", content: 7 },
      ],
    },
    "input.1",
    "input.1.content",
  ],
  [{ tools: [mcp, { ...weather, name: "bad name" }] }, "tools.1.name", "tools.1.name"],
  [{ text: { format: { type: "json_schema", schema: {} } } }, "text.format.name", "text.format.name"],
  [{ tools: [weather, { type: "mcp" }] }, "tools.1", "server_label"],
  [{ tool_choice: { type: "allowed_tools", mode: "auto", tools: [] } }, "tool_choice", "allowed_tools"],
  [{ tool_choice: { type: "function" } }, "tool_choice", "name"],
  [{ metadata: { previous_response_id: "a" }, previous_response_id: "b" }, "previous_response_id", "second"],
])("%j is refused by its place in the request", async (extra, param, why) => {
  const body = { model: "gpt-5.2", input: "?", ...(extra as object) };
  const error = await thrownBy(rig.client.responses.create(body));
  expect(error).toBeInstanceOf(BadRequestError);
  expect(error).toMatchObject({
    ...{
      param: expect.stringMatching(`^${param.replaceAll(".", "\\.")}(\\.|$)`),
      type: "invalid_request_error",
    },
    message: expect.stringContaining(why),
  });
});
