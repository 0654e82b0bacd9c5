/** The npm client of OpenAI, unchanged, against this API: what it sends, gets, throws and parses. */
import OpenAI, {
  BadRequestError,
  ConflictError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type ApiRig, openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { useRedis } from "../support/redis.ts";
import { call, type Script, text } from "../support/scripted-model.ts";
import { until } from "../support/until.ts";

const redis = useRedis();
let api: ApiRig;
let client: OpenAI;
let script: Script;
/** That the client sent, its retries among them. */
let requests = 0;

beforeAll(async () => {
  api = await openApiRig(redis.url, { script: (...args) => script(...args) });
  client = new OpenAI({
    baseURL: `${api.url}/v1`,
    apiKey: "any",
    fetch: (...args) => {
      requests += 1;
      return fetch(...args);
    },
  });
});
afterAll(async () => api[Symbol.asyncDispose]());

const weather = {
  type: "function" as const,
  function: {
    name: "weather",
    description: "The weather in a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

test("a chat is answered by a run, which the body and a header name", async () => {
  script = () => ({ parts: [text("Good day.")] });
  const { data, response } = await client.chat.completions
    .create({
      model: "gpt-5.2",
      messages: [
        { role: "developer", content: "Be polite." },
        { role: "user", content: "Hello?" },
      ],
      temperature: 0.5,
      max_completion_tokens: 50,
      stop: "END",
      reasoning_effort: "none",
      store: true,
      service_tier: "flex",
      user: "u1",
      metadata: { team: "a" },
    })
    .withResponse();
  expect(data).toMatchObject({
    object: "chat.completion",
    model: "openai/gpt-5.2",
    choices: [{ index: 0, message: { role: "assistant", content: "Good day." }, finish_reason: "stop" }],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
    turns_consumed: 1,
    models_used: ["openai/gpt-5.2"],
    baton: { run_id: data.id, status: "succeeded" },
  });
  expect(response.headers.get("x-baton-run-id")).toBe(data.id);
  expect(response.headers.get("x-request-id")).toMatch(/./);
  const { spec } = await api.producer.get(data.id as Parameters<typeof api.producer.get>[0]);
  expect(spec.settings).toEqual({ temperature: 0.5, max_output_tokens: 50, stop: ["END"], thinking: "off" });
  expect(spec.metadata).toEqual({ user: "u1", team: "a" });
  const { request } = api.models.calls.at(-1) ?? {};
  expect(request).toMatchObject({ instructions: "Be polite." });
});

test("what is streamed adds up to the answer, and the last chunk tells the usage when it is asked for", async () => {
  script = (_request, _signal, onDelta) => {
    for (const piece of ["One, ", "two, "]) onDelta({ kind: "text", text: piece });
    return { parts: [text("One, two, three.")] };
  };
  const stream = await client.chat.completions.create({
    model: "claude-opus-4-5",
    messages: [{ role: "user", content: "Count." }],
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = await Array.fromAsync<ChatCompletionChunk>(stream);
  expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe("One, two, three.");
  expect(chunks[0]?.choices[0]?.delta.role).toBe("assistant");
  expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe("stop");
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 15 } });
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
});

test("a call of the caller's function ends the run; the next request brings the result", async () => {
  script = ({ items }) => {
    const result = items.flatMap(({ parts }) => parts).find((part) => part.type === "tool_result");
    return {
      parts:
        result === undefined
          ? [text("Let me look."), call("weather", { city: "Oslo" }, "call_1")]
          : [text("It snows.")],
    };
  };
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "Weather in Oslo?" }];
  const asked = await client.chat.completions.create({ model: "gpt-5.2", messages, tools: [weather] });
  const [choice] = asked.choices;
  expect(choice?.finish_reason).toBe("tool_calls");
  expect(choice?.message).toMatchObject({
    content: "Let me look.",
    tool_calls: [{ type: "function", function: { name: "weather", arguments: '{"city":"Oslo"}' } }],
  });
  expect(asked).toMatchObject({ baton: { status: "succeeded" }, tools_executed: [] });
  const [made] = choice?.message.tool_calls ?? [];
  if (choice === undefined || made === undefined) throw new Error("no call");
  messages.push(choice.message, { role: "tool", tool_call_id: made.id, content: "snow" });
  const answered = await client.chat.completions.create({ model: "gpt-5.2", messages, tools: [weather] });
  expect(answered.choices[0]?.message.content).toBe("It snows.");
  expect(answered.id).not.toBe(asked.id);
});

test("the client's helper runs its own functions to the end, streamed or not, and a strict one is strict to the model", async () => {
  script = ({ items }) => {
    const results = items.flatMap(({ parts }) => parts.filter((part) => part.type === "tool_result"));
    return {
      parts:
        results.length > 0
          ? [
              text(
                results
                  .flatMap(({ content }) => content.map((part) => "text" in part && part.text))
                  .join(", "),
              ),
            ]
          : [call("add", { a: 1, b: 2 }, "c1"), call("add", { a: 3, b: 4 }, "c2")],
    };
  };
  const add = zodFunction({
    name: "add",
    parameters: z.object({ a: z.number(), b: z.number() }),
    function: ({ a, b }) => String(a + b),
  });
  const body = { model: "gpt-5.2", messages: [{ role: "user" as const, content: "Add." }], tools: [add] };
  expect(await client.chat.completions.runTools(body).finalContent()).toBe("3, 7");
  expect(await client.chat.completions.runTools({ ...body, stream: true }).finalContent()).toBe("3, 7");
  expect(api.models.calls.at(-1)?.request.tools).toMatchObject([{ name: "add", strict: true }]);
});

test("streamed calls of the caller's function come whole, with their finish reason", async () => {
  script = () => ({
    parts: [call("weather", { city: "Rome" }, "call_a"), call("weather", { city: "Bonn" }, "call_b")],
  });
  const stream = client.chat.completions.stream({
    model: "gpt-5.2",
    messages: [{ role: "user", content: "Weather?" }],
    tools: [weather],
  });
  const final = await stream.finalChatCompletion();
  expect(final.choices[0]?.finish_reason).toBe("tool_calls");
  expect(
    final.choices[0]?.message.tool_calls?.map((one) => one.type === "function" && one.function.arguments),
  ).toEqual(['{"city":"Rome"}', '{"city":"Bonn"}']);
});

test("images go to the model", async () => {
  script = () => ({ parts: [text("A dot.")] });
  const url = "data:image/png;base64,iVBORw0KGgo=";
  const content = [
    { type: "text" as const, text: "What is it?" },
    { type: "image_url" as const, image_url: { url, detail: "low" as const } },
  ];
  await ask({ messages: [{ role: "user", content }] });
  expect(api.models.calls.at(-1)?.request.items[0]?.parts).toMatchObject([
    { type: "text", text: "What is it?" },
    { type: "file", mediaType: "image/png", detail: "low", source: { kind: "base64", data: "iVBORw0KGgo=" } },
  ]);
});

test("chat.completions.parse gives the object of a zod schema", async () => {
  script = ({ responseFormat }) => {
    expect(responseFormat).toMatchObject({
      type: "json_schema",
      json_schema: { name: "city", strict: true },
    });
    return { parts: [text('{"name":"Oslo","people":700000}')] };
  };
  const City = z.object({ name: z.string(), people: z.number() });
  const completion = await client.chat.completions.parse({
    model: "gpt-5.2",
    messages: [{ role: "user", content: "A city." }],
    response_format: zodResponseFormat(City, "city"),
  });
  expect(completion.choices[0]?.message.parsed).toEqual({ name: "Oslo", people: 700_000 });
});

test("a message of parse goes back as it is, with what the helper put into it", async () => {
  script = ({ items }) => ({ parts: [text(items.length > 1 ? "second" : '{"name":"Oslo"}')] });
  const response_format = zodResponseFormat(z.object({ name: z.string() }), "city");
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "A city." }];
  const first = await client.chat.completions.parse({ model: "gpt-5.2", messages, response_format });
  const [choice] = first.choices;
  if (choice === undefined) throw new Error("no choice");
  messages.push(choice.message, { role: "user", content: "Another." });
  const second = await client.chat.completions.create({ model: "gpt-5.2", messages });
  expect(second.choices[0]?.message.content).toBe("second");
});

test("a text that was cut says so", async () => {
  script = () => ({ parts: [text("Once upon")], stopReason: "length" });
  const { choices } = await ask();
  expect(choices[0]).toMatchObject({ finish_reason: "length", message: { content: "Once upon" } });
});

test("a call that was cut is not told as whole, streamed or not", async () => {
  const cut = { kind: "invalid" as const, raw: '{"city":"Os' };
  const parts = [{ type: "tool_call" as const, callId: "call_1", name: "weather", arguments: cut }];
  script = () => ({ parts, stopReason: "length" });
  const body = { model: "gpt-5.2", messages: [{ role: "user" as const, content: "?" }], tools: [weather] };
  const made = { tool_calls: [{ function: { name: "weather", arguments: cut.raw } }] };
  const { choices } = await client.chat.completions.create(body);
  expect(choices).toMatchObject([{ finish_reason: "length", message: made }]);
  const chunks = await Array.fromAsync(await client.chat.completions.create({ ...body, stream: true }));
  expect(chunks.at(-2)).toMatchObject({ choices: [{ delta: made }] });
  expect(chunks.at(-1)).toMatchObject({ choices: [{ finish_reason: "length" }] });
});

test("a model that would not answer is told as a refusal", async () => {
  script = () => ({ parts: [text("I cannot help with that.")], stopReason: "refusal" });
  const completion = await ask();
  expect(completion.choices[0]?.message).toMatchObject({
    content: null,
    refusal: "I cannot help with that.",
  });
  const stream = await client.chat.completions.stream({
    model: "gpt-5.2",
    messages: [{ role: "user", content: "?" }],
  });
  expect((await stream.finalChatCompletion()).choices[0]?.message.refusal).toBe("I cannot help with that.");
});

test("what a model's filter cut has the finish reason of the filter", async () => {
  script = () => ({ parts: [text("The")], stopReason: "content_filter" });
  expect((await ask()).choices[0]).toMatchObject({ finish_reason: "content_filter" });
});

test.each(["content_filter", "length"] as const)(
  "a stream without a word that ends with %s is an answer to the client's helper, too",
  async (stopReason) => {
    script = () => ({ parts: [], stopReason });
    const streamed = client.chat.completions.stream({
      model: "gpt-5.2",
      messages: [{ role: "user", content: "?" }],
    });
    const { choices } = await streamed.finalChatCompletion();
    expect(choices[0]).toMatchObject({ finish_reason: stopReason, message: { role: "assistant" } });
  },
);

test.each([
  [{ n: 2 }, "n"],
  [{ logprobs: true }, "logprobs"],
  [{ audio: { voice: "ash", format: "wav" } }, "audio"],
  [{ no_such_field: 1 }, "no_such_field"],
  [{ tools: [{ type: "custom", custom: { name: "x" } }] }, "tools.0"],
])("%j is refused by its name", async (extra, param) => {
  const error = await thrownBy(
    client.chat.completions.create({
      model: "gpt-5.2",
      messages: [{ role: "user", content: "?" }],
      ...(extra as object),
    }),
  );
  expect(error).toBeInstanceOf(BadRequestError);
  expect(error).toMatchObject({ status: 400, code: "unsupported", param, type: "invalid_request_error" });
});

test("a value that is wrong is a bad request with its field", async () => {
  const error = await thrownBy(ask({ temperature: 7 }));
  expect(error).toBeInstanceOf(BadRequestError);
  expect(error).toMatchObject({ code: "invalid_spec", param: "temperature" });
});

test("a model that nobody knows is not found", async () => {
  for (const model of ["no-such-model", "nobody/gpt"]) {
    const error = await thrownBy(ask({ model }));
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error).toMatchObject({ code: "model_not_found", param: "model" });
  }
});

test("the same Idempotency-Key is the same run, whether it is streamed or not; another body is a conflict", async () => {
  let calls = 0;
  script = () => ({ parts: [text(`answer ${++calls}`)] });
  const options = { headers: { "Idempotency-Key": "one key" } };
  const first = await ask({}, options);
  const again = await ask({}, options);
  expect(again.id).toBe(first.id);
  const stream = await client.chat.completions.create(
    { model: "gpt-5.2", messages: [{ role: "user", content: "?" }], stream: true },
    options,
  );
  const chunks = await Array.fromAsync<ChatCompletionChunk>(stream);
  expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe("answer 1");
  expect(calls).toBe(1);
  const before = requests;
  const error = await thrownBy(ask({ model: "claude-opus-4-5" }, options));
  expect(error).toBeInstanceOf(ConflictError);
  // The client sends a 409 again by itself unless it is told not to.
  expect(requests - before).toBe(1);
  const other = await ask();
  expect(other.id).not.toBe(first.id);
});

test("a run that fails is thrown once, as what it failed with", async () => {
  const { BatonError } = await import("@baton/core");
  script = () => {
    throw new BatonError("context_too_long", "the conversation is too long");
  };
  const before = { calls: api.models.calls.length, requests };
  const error = await thrownBy(ask());
  expect(error).toBeInstanceOf(BadRequestError);
  expect(error).toMatchObject({ code: "context_length_exceeded" });
  expect(error).toMatchObject({ error: { run_id: expect.stringMatching(/^r_/) } });
  expect(api.models.calls.length - before.calls).toBe(1);
  expect(requests - before.requests).toBe(1);
});

test("a run that failed for want of a provider is not asked for again: Baton has tried already", async () => {
  const { BatonError } = await import("@baton/core");
  script = () => {
    throw new BatonError("provider_auth", "the provider refused its key");
  };
  const before = requests;
  const error = await thrownBy(ask());
  expect(error).toBeInstanceOf(InternalServerError);
  expect(error).toMatchObject({ status: 502, code: "provider_auth", type: "server_error" });
  expect(requests - before).toBe(1);
});

test("a run that fails before its first word fails a stream with its status, too", async () => {
  const { BatonError } = await import("@baton/core");
  script = () => {
    throw new BatonError("provider_rejected", "no");
  };
  const error = await thrownBy(
    client.chat.completions.create({
      model: "gpt-5.2",
      messages: [{ role: "user", content: "?" }],
      stream: true,
    }),
  );
  expect(error).toBeInstanceOf(BadRequestError);
  expect(error).not.toBeInstanceOf(RateLimitError);
});

test("served models are listed and looked up by either name", async () => {
  const ids = await until(
    async () => {
      const list = (await client.models.list()).data.map(({ id }) => id);
      // A worker that has just begun is not known yet.
      return list.length > 0 && list;
    },
    { what: "a served model" },
  );
  expect(ids).toEqual(expect.arrayContaining(["openai/gpt-5.2", "anthropic/claude-opus-4-5"]));
  expect(ids).not.toContain("xai/grok-4-1-fast-reasoning");
  expect(await client.models.retrieve("openai/gpt-5.2")).toMatchObject({
    object: "model",
    owned_by: "openai",
  });
  expect(await client.models.retrieve("claude-opus-4-5")).toMatchObject({ id: "anthropic/claude-opus-4-5" });
  expect((await api.call("GET", "/v1/models/openai/gpt-5.2")).body).toMatchObject({ id: "openai/gpt-5.2" });
  expect(await thrownBy(client.models.retrieve("xai/grok-4"))).toBeInstanceOf(NotFoundError);
});

function ask(extra: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming> = {}, options = {}) {
  return client.chat.completions.create(
    { model: "gpt-5.2", messages: [{ role: "user", content: "?" }], ...extra },
    options,
  );
}

async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("error" in outcome) return outcome.error;
  throw new Error(`nothing was thrown, but answered: ${JSON.stringify(outcome.value)}`);
}
