/** Streams of `/v1/responses`, as the npm client of OpenAI reads and puts them together. */
import { BatonError } from "@baton/core";
import type OpenAI from "openai";
import { APIError } from "openai";
import { zodResponsesFunction } from "openai/helpers/zod";
import type { ResponseStreamEvent } from "openai/resources/responses/responses";
import { expect, test } from "vitest";
import { z } from "zod";
import { eventsOf, thrownBy, useResponses } from "../support/responses-rig.ts";
import { call, text } from "../support/scripted-model.ts";
import { until } from "../support/until.ts";

const rig = useResponses();

test("the events of a stream are those of OpenAI, numbered, and add up to the response", async () => {
  rig.script = (_request, _signal, onDelta) => {
    for (const piece of ["One, ", "two, "]) onDelta({ kind: "text", text: piece });
    return { parts: [text("One, two, three.")] };
  };
  const events = await eventsOf(rig.client, { model: "claude-opus-4-5", input: "Count." });
  const types = events.map(({ type }) => type);
  expect(types.filter((type, place) => type !== types[place - 1])).toEqual([
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
  ]);
  expect(events.map((event) => event.sequence_number)).toEqual([...events.keys()]);
  expect(deltasOf(events)).toBe("One, two, three.");
  const last = events.at(-1);
  if (last?.type !== "response.completed") throw new Error("not completed");
  const got = await rig.client.responses.retrieve(last.response.id);
  expect(last.response).toEqual({ ...got, output_text: undefined });
  expect(got.output_text).toBe("One, two, three.");
});

test("the client's stream helper gives the same response, and follows one that is there already", async () => {
  rig.script = () => ({ parts: [text("Once upon a time.")] });
  const snapshots: string[] = [];
  const stream = rig.client.responses
    .stream({ model: "gpt-5.2", input: "A story." })
    .on("response.output_text.delta", ({ snapshot }) => snapshots.push(snapshot));
  const final = await stream.finalResponse();
  expect(final).toMatchObject({ status: "completed", output_text: "Once upon a time." });
  expect(snapshots.at(-1)).toBe("Once upon a time.");
  const again = await rig.client.responses.stream({ response_id: final.id }).finalResponse();
  expect(again).toMatchObject({ id: final.id, output_text: "Once upon a time." });
  expect(await rig.client.responses.retrieve(final.id)).toMatchObject({ output_text: "Once upon a time." });
});

test("streamed calls of the caller's function come through the stream helper, with parsed arguments", async () => {
  rig.script = () => ({
    parts: [call("weather", { city: "Rome" }, "call_a"), call("weather", { city: "Bonn" }, "call_b")],
  });
  const tool = zodResponsesFunction({ name: "weather", parameters: z.object({ city: z.string() }) });
  const stream = rig.client.responses.stream({ model: "gpt-5.2", input: "Weather?", tools: [tool] });
  const deltas: string[] = [];
  stream.on("response.function_call_arguments.delta", ({ delta }) => deltas.push(delta));
  const { output, status } = await stream.finalResponse();
  expect(status).toBe("completed");
  expect(deltas).toEqual(['{"city":"Rome"}', '{"city":"Bonn"}']);
  expect(output.map((item) => item.type === "function_call" && item.parsed_arguments)).toEqual([
    { city: "Rome" },
    { city: "Bonn" },
  ]);
});

test("a text that was cut is incomplete, streamed or not", async () => {
  rig.script = () => ({ parts: [text("Once upon")], stopReason: "length" });
  const cut = {
    status: "incomplete",
    incomplete_details: { reason: "max_output_tokens" },
    output_text: "Once upon",
  };
  expect(await ask()).toMatchObject({ ...cut, output: [{ status: "incomplete" }] });
  expect(await rig.client.responses.stream({ model: "gpt-5.2", input: "?" }).finalResponse()).toMatchObject(
    cut,
  );
});

test("a model that would not answer is told as a refusal, streamed or not", async () => {
  rig.script = () => ({ parts: [text("I cannot help with that.")], stopReason: "refusal" });
  const content = [{ type: "refusal", refusal: "I cannot help with that." }];
  expect(await ask()).toMatchObject({ status: "completed", output_text: "", output: [{ content }] });
  const final = await rig.client.responses.stream({ model: "gpt-5.2", input: "?" }).finalResponse();
  expect(final).toMatchObject({ status: "completed", output: [{ content }] });
});

test("an attempt that is made anew with other words ends the void text as incomplete", async () => {
  const told = Promise.withResolvers<void>();
  let attempts = 0;
  rig.script = async (_request, _signal, onDelta) => {
    attempts += 1;
    if (attempts > 1) return { parts: [text("Another text.")] };
    onDelta({ kind: "text", text: "One text" });
    await told.promise;
    throw new BatonError("provider_overloaded", "come again", { retry: { after: 20 } });
  };
  const stream = rig.client.responses.stream({ model: "gpt-5.2", input: "?" });
  const events: ResponseStreamEvent[] = [];
  stream.on("event", (event) => {
    events.push(event as ResponseStreamEvent);
    if (event.type === "response.output_text.delta") told.resolve();
  });
  const final = await stream.finalResponse();
  expect(final.output_text).toBe("Another text.");
  const ended = events.flatMap((event) => (event.type === "response.output_item.done" ? [event.item] : []));
  expect(ended).toMatchObject([
    { status: "incomplete", content: [{ text: "One text\n\n" }] },
    { status: "completed", content: [{ text: "Another text." }] },
  ]);
  expect(attempts).toBe(2);
});

test("reasoning that a model shows is streamed, to who comes later too, and stands in the output", async () => {
  const seen = Promise.withResolvers<void>();
  rig.script = async (_request, _signal, onDelta) => {
    onDelta({ kind: "reasoning", text: "Hm, yes." });
    await seen.promise;
    return { parts: [{ type: "reasoning", text: "Hm, yes." }, text("Yes.")] };
  };
  const live = rig.client.responses.stream({ model: "gpt-5.2", input: "?" });
  const told: string[] = [];
  live.on("response.reasoning_summary_text.delta", ({ delta }) => {
    told.push(delta);
    seen.resolve();
  });
  const { id, output } = await live.finalResponse();
  expect(output).toMatchObject([
    { type: "reasoning", summary: [{ text: "Hm, yes." }] },
    { type: "message", content: [{ text: "Yes." }] },
  ]);
  expect(told).toEqual(["Hm, yes."]);
  const later = rig.client.responses.stream({ response_id: id });
  const thoughts: string[] = [];
  later.on("response.reasoning_summary_text.delta", ({ delta }) => thoughts.push(delta));
  expect((await later.finalResponse()).output).toEqual(output);
  expect(thoughts).toEqual(["Hm, yes."]);
});

test("a run that fails in the middle of its text ends the stream as failed, with what was told marked", async () => {
  const shown = Promise.withResolvers<void>();
  rig.script = async (_request, _signal, onDelta) => {
    onDelta({ kind: "text", text: "So far" });
    await shown.promise;
    throw new BatonError("provider_rejected", "the provider wants no more of it");
  };
  const stream = rig.client.responses.stream({ model: "gpt-5.2", input: "?" });
  stream.on("response.output_text.delta", () => shown.resolve());
  const final = await stream.finalResponse();
  expect(final).toMatchObject({
    status: "failed",
    baton: { error: { code: "provider_rejected" } },
    output: [{ status: "incomplete", content: [{ text: "So far" }] }],
    error: { code: "invalid_prompt", message: expect.stringContaining("wants no more") },
  });
});

test("an API that stops in the middle of a stream is thrown; the key finds the response at the next one", async () => {
  const gate = Promise.withResolvers<void>();
  let calls = 0;
  rig.script = async (_request, _signal, onDelta) => {
    calls += 1;
    onDelta({ kind: "text", text: "Here " });
    await gate.promise;
    return { parts: [text("Here after all.")] };
  };
  const key = { headers: { "Idempotency-Key": "stops" } };
  const stream = rig.client.responses.stream({ model: "gpt-5.2", input: "?" }, key);
  const isShown = new Promise<void>((resolve) => {
    stream.on("response.output_text.delta", () => resolve());
  });
  const broken = thrownBy(stream.finalResponse());
  await isShown;
  await rig.api.restart();
  expect(await broken).toBeInstanceOf(APIError);
  gate.resolve();
  expect((await ask({}, key)).output_text).toBe("Here after all.");
  expect(calls).toBe(1);
});

test("nobody follows a response any more whose client left in the middle", async () => {
  const gate = Promise.withResolvers<void>();
  rig.script = async (_request, _signal, onDelta) => {
    onDelta({ kind: "text", text: "Word" });
    await gate.promise;
    return { parts: [text("Words.")] };
  };
  const { hub } = rig.api.store;
  const before = hub.waiters;
  for await (const event of await rig.client.responses.create({
    model: "gpt-5.2",
    input: "?",
    stream: true,
  })) {
    if (event.type === "response.output_text.delta") break;
  }
  await until(() => hub.waiters === before, { what: "nobody who waits" });
  gate.resolve();
});

function ask(extra: Partial<OpenAI.Responses.ResponseCreateParamsNonStreaming> = {}, options = {}) {
  return rig.client.responses.create({ model: "gpt-5.2", input: "?", ...extra }, options);
}

function deltasOf(events: readonly ResponseStreamEvent[]): string {
  return events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("");
}
