/** Responses that are kept: gone on from, asked for in the background, found by their key, and hidden from others. */
import { BatonError, textOf } from "@baton/core";
import OpenAI, { BadRequestError, ConflictError, NotFoundError } from "openai";
import type { ResponseInputItem } from "openai/resources/responses/responses";
import { expect, test } from "vitest";
import { makeKnownKey } from "../../apps/api/src/testing/api-keys.ts";
import {
  callIn,
  lastRequest,
  researchThenWrite,
  runOf,
  thrownBy,
  toolResultsIn,
  useResponses,
  weather,
} from "../support/responses-rig.ts";
import { call, text } from "../support/scripted-model.ts";
import { until } from "../support/until.ts";

const rig = useResponses();

test("previous_response_id goes on from the whole conversation, without its instructions", async () => {
  rig.script = researchThenWrite;
  const first = await rig.client.responses.create({
    model: ["openai/gpt-5.2", "anthropic/claude-opus-4-5"] as unknown as string,
    instructions: "Be brief.",
    input: [
      { role: "system", content: "Speak English." },
      { role: "user", content: "Write about books." },
    ],
    tools: [{ type: "mcp", server_label: "library" }],
  });
  rig.script = () => ({ parts: [text("Shorter.")] });
  const second = await rig.client.responses.create({
    ...{ model: "gpt-5.2", previous_response_id: first.id, input: "Make it shorter." },
  });
  expect(second).toMatchObject({ output_text: "Shorter.", previous_response_id: first.id });
  const request = lastRequest(rig.api);
  expect(request.instructions).toBe("Speak English.");
  expect(toolResultsIn(request)).toContain("three books");
  expect(request.items.map(textOf).join("\n")).toMatch(
    /Write about books\.[\s\S]*An essay on books\.\nMake it shorter\./,
  );
});

test("previous_response_id takes a run up that ended with calls, with what its tools gave unseen", async () => {
  rig.script = ({ items }) => {
    const results = items.flatMap(({ parts }) => parts).filter((part) => part.type === "tool_result");
    if (results.length === 0) return { parts: [call("search", { q: "x" }, "call_s")] };
    if (results.length === 1) return { parts: [call("weather", { city: "Oslo" }, "call_w")] };
    return { parts: [text(results.map((result) => textOf({ parts: result.content })).join(" and "))] };
  };
  const tools = [weather, { type: "mcp" as const, server_label: "library" }];
  const asked = await rig.client.responses.create({ model: "gpt-5.2", input: "Both?", tools });
  const { call_id } = callIn(asked);
  const previous = { model: "gpt-5.2", previous_response_id: asked.id, tools };
  const output = { type: "function_call_output" as const, call_id, output: "snow" };
  const error = await thrownBy(rig.client.responses.create({ ...previous, input: "Never mind." }));
  expect(error).toBeInstanceOf(BadRequestError);
  expect(error).toMatchObject({ param: "input", message: expect.stringContaining("weather") });
  const answered = await rig.client.responses.create({ ...previous, input: [output] });
  expect(answered.output_text).toBe("three books and snow");
  const { run } = await rig.api.producer.get(runOf(answered.id));
  expect(run.forkedFrom?.run).toBe(runOf(asked.id));
  // The same, by a client that keeps the items itself.
  const input = [
    { role: "user" as const, content: "Both?" },
    ...(asked.output as ResponseInputItem[]),
    output,
  ];
  const kept = await rig.client.responses.create({ model: "gpt-5.2", input, tools });
  expect(kept.output_text).toBe("three books and snow");
  expect((await rig.api.producer.get(runOf(kept.id))).run.forkedFrom?.run).toBe(runOf(asked.id));
  // One that edited what came before gets no conversation but its own, and loses nothing that it sends.
  const edited = [{ role: "user" as const, content: "All?" }, ...input.slice(1)];
  const anew = await rig.client.responses.create({ model: "gpt-5.2", input: edited, tools });
  expect(anew.output_text).toBe("three books and snow");
  expect((await rig.api.producer.get(runOf(anew.id))).run.forkedFrom).toBeUndefined();
});

test("a previous response that is not there, is another's or has not completed is a bad request", async () => {
  rig.script = () => {
    throw new BatonError("provider_rejected", "no");
  };
  const failed = await thrownBy(rig.client.responses.create({ model: "gpt-5.2", input: "?" }));
  const failedId = `resp_${Object(Object(failed).error).run_id}`;
  for (const [id, code] of [
    ["resp_none", "previous_response_not_found"],
    ["resp_r_0_01ARZ3NDEKTSV4RRFFQ69G5FAV", "previous_response_not_found"],
    [failedId, "previous_response_unusable"],
  ] as const) {
    const error = await thrownBy(
      rig.client.responses.create({ model: "gpt-5.2", input: "?", previous_response_id: id }),
    );
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({ code, param: "previous_response_id" });
  }
});

test("a response in the background is answered at once, looked up, and cancelled", async () => {
  const gate = Promise.withResolvers<void>();
  rig.script = async () => {
    await gate.promise;
    return { parts: [text("At last.")] };
  };
  const begun = await rig.client.responses.create({ model: "gpt-5.2", input: "?", background: true });
  expect(["queued", "in_progress"]).toContain(begun.status);
  expect(begun).not.toHaveProperty("usage");
  expect(begun).toMatchObject({ output: [], completed_at: null });
  const other = await rig.client.responses.create({ model: "gpt-5.2", input: "??", background: true });
  expect(await rig.client.responses.cancel(other.id)).toMatchObject({ id: other.id, status: "cancelled" });
  gate.resolve();
  const done = await until(
    async () => {
      const found = await rig.client.responses.retrieve(begun.id);
      return found.status === "completed" && found;
    },
    { what: "the response" },
  );
  expect(done.output_text).toBe("At last.");
  expect(await thrownBy(rig.client.responses.retrieve("resp_none"))).toBeInstanceOf(NotFoundError);
});

test("a response that failed can be looked up, with its error", async () => {
  rig.script = () => {
    throw new BatonError("context_too_long", "the conversation is too long");
  };
  const { id } = await rig.client.responses.create({ model: "gpt-5.2", input: "?", background: true });
  await rig.api.producer.untilSettled(runOf(id), AbortSignal.timeout(10_000));
  expect(await rig.client.responses.retrieve(id)).toMatchObject({
    status: "failed",
    baton: { error: { code: "context_too_long" } },
    error: { code: "invalid_prompt", message: expect.stringContaining("too long") },
  });
  const streamed = await rig.client.responses.stream({ response_id: id }).finalResponse();
  expect(streamed).toMatchObject({ id, status: "failed", error: { code: "invalid_prompt" } });
});

test("the same Idempotency-Key is the same response, however it is asked for; another body is a conflict", async () => {
  let calls = 0;
  rig.script = () => ({ parts: [text(`answer ${++calls}`)] });
  const key = { headers: { "Idempotency-Key": "one key" } };
  const first = await ask({}, key);
  expect((await ask({}, key)).id).toBe(first.id);
  expect((await ask({ background: true }, key)).id).toBe(first.id);
  const streamed = await rig.client.responses.stream({ model: "gpt-5.2", input: "?" }, key).finalResponse();
  expect(streamed).toMatchObject({ id: first.id, output_text: "answer 1" });
  expect(calls).toBe(1);
  expect(await thrownBy(ask({ input: "!" }, key))).toBeInstanceOf(ConflictError);
  expect(await thrownBy(ask({ previous_response_id: first.id }, key))).toBeInstanceOf(ConflictError);
  // A key of the chat endpoint is another one.
  const chat = await rig.client.chat.completions.create(
    { model: "gpt-5.2", messages: [{ role: "user", content: "?" }] },
    key,
  );
  expect(`resp_${chat.id}`).not.toBe(first.id);
});

// Keys that were made hold from then on, so this comes last.
test("a response of another namespace is not there", async () => {
  rig.script = () => ({ parts: [text("Mine.")] });
  const [one, two] = [await makeKnownKey(rig.api), await makeKnownKey(rig.api)];
  const clientOf = (apiKey: string) => new OpenAI({ baseURL: `${rig.api.url}/v1`, apiKey, maxRetries: 0 });
  const owner = clientOf(one.text);
  const other = clientOf(two.text);
  const mine = await owner.responses.create({ model: "gpt-5.2", input: "?" });
  expect((await owner.responses.retrieve(mine.id)).output_text).toBe("Mine.");
  expect(await thrownBy(other.responses.retrieve(mine.id))).toBeInstanceOf(NotFoundError);
  expect(await thrownBy(other.responses.cancel(mine.id))).toBeInstanceOf(NotFoundError);
  const error = await thrownBy(
    other.responses.create({ model: "gpt-5.2", input: "?", previous_response_id: mine.id }),
  );
  expect(error).toMatchObject({ status: 400, code: "previous_response_not_found" });
});

function ask(extra: Partial<OpenAI.Responses.ResponseCreateParamsNonStreaming> = {}, options = {}) {
  return rig.client.responses.create({ model: "gpt-5.2", input: "?", ...extra }, options);
}
