/** Events of streamed responses, held against one another: whatever a run does, they add up to the same response. */
import { BatonError } from "@baton/core";
import { APIError } from "openai";
import type { ResponseOutputItem, ResponseStreamEvent } from "openai/resources/responses/responses";
import { expect, test } from "vitest";
import { faultsIn } from "../support/response-events.ts";
import {
  eventsOf,
  researchThenWrite,
  runOf,
  thrownBy,
  useResponses,
  weather,
} from "../support/responses-rig.ts";
import { call, type Script, text } from "../support/scripted-model.ts";

const rig = useResponses();
const long = "A long text that is not the answer. ".repeat(10);
const hasResult: (request: Parameters<Script>[0]) => boolean = ({ items }) =>
  items.some(({ role }) => role === "tool");
const search = { mcp_servers: ["library"] };

const cutCall = {
  ...{ type: "tool_call" as const, callId: "b", name: "weather" },
  arguments: { kind: "invalid" as const, raw: '{"city":"Os' },
};
const thought = (words: string) => ({ type: "reasoning" as const, text: words });

const kinds: readonly (readonly [string, Script, object])[] = [
  ["an answer", () => ({ parts: [text("Yes.")] }), {}],
  ["an answer that was thought about", () => ({ parts: [thought("Hm."), text("Yes.")] }), {}],
  [
    "words, calls of a server and an answer",
    (request) =>
      hasResult(request)
        ? { parts: [thought("So."), text("Found.")] }
        : { parts: [thought("Hm."), text("Let me see."), call("search", {}, "a"), call("search", {}, "b")] },
    search,
  ],
  [
    "a long text before a call",
    (request) =>
      hasResult(request) ? { parts: [text("Found.")] } : { parts: [text(long), call("search", {}, "a")] },
    search,
  ],
  ["models that hand over", researchThenWrite, { ...search, model: ["gpt-5.2", "claude-opus-4-5"] }],
  [
    "calls of the caller's and of a server's in one turn",
    () => ({ parts: [text("Both."), call("search", {}, "a"), call("weather", { city: "Rome" }, "b")] }),
    { ...search, tools: [weather] },
  ],
  ["a refusal", () => ({ parts: [text("I will not.")], stopReason: "refusal" }), {}],
  [
    "a refusal that was begun as an answer",
    (_request, _signal, onDelta) => {
      onDelta({ kind: "text", text: "I wi" });
      return { parts: [text("I will not.")], stopReason: "refusal" };
    },
    {},
  ],
  ["a text that was cut", () => ({ parts: [text("Once")], stopReason: "length" }), {}],
  ["nothing that a filter left", () => ({ parts: [], stopReason: "content_filter" }), {}],
  [
    "calls of which the last was cut",
    () => ({ parts: [text("So."), call("weather", { city: "Rome" }, "a"), cutCall], stopReason: "length" }),
    { tools: [weather] },
  ],
];

test.each(kinds)("%s: live, later and not streamed it is one response", async (_what, script, asked) => {
  rig.script = script;
  const body = { model: "gpt-5.2", input: "?", ...asked };
  const live = await eventsOf(rig.client, body);
  expect(faultsIn(live)).toEqual([]);
  const last = live.at(-1);
  if (last === undefined || !("response" in last)) throw new Error("no response at the end");
  const { id } = last.response;
  const later: ResponseStreamEvent[] = await Array.fromAsync(
    await rig.client.responses.retrieve(id, { stream: true }),
  );
  expect(faultsIn(later)).toEqual([]);
  const { output_text, ...found } = await rig.client.responses.retrieve(id);
  expect(later.at(-1)).toMatchObject({ response: found });
  // A long text on the way may have been sent as the answer to whoever watched: then it has left its place in the output.
  const comparable = (output: readonly ResponseOutputItem[]) =>
    output
      .filter((item) => item.type !== "message" || item.content.length > 0)
      .filter((item) => item.type !== "reasoning" || item.summary[0]?.text !== long)
      .map((item) => ({ ...item, id: "" }));
  expect(comparable(last.response.output)).toEqual(comparable(found.output));
  expect(output_text).not.toContain(long);
});

test("text that is void, of an attempt or on the way, is in its own message and not in the last event", async () => {
  const seen = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  let attempts = 0;
  rig.script = async (request, _signal, onDelta) => {
    if (!hasResult(request)) {
      onDelta({ kind: "text", text: long });
      await seen[0].promise;
      return { parts: [text(long), call("search", {}, "a")] };
    }
    attempts += 1;
    if (attempts > 1) return { parts: [text("Another.")] };
    onDelta({ kind: "text", text: `One ${long}` });
    await seen[1].promise;
    throw new BatonError("provider_overloaded", "come again", { retry: { after: 20 } });
  };
  const events: ResponseStreamEvent[] = [];
  const body = { model: "gpt-5.2", input: "?", stream: true as const, ...search };
  for await (const event of await rig.client.responses.create(body)) {
    if (event.type === "response.output_text.delta") seen[events.some(isOfTool) ? 1 : 0].resolve();
    events.push(event);
  }
  expect(faultsIn(events)).toEqual([]);
  const last = events.at(-1);
  if (last?.type !== "response.completed") throw new Error("not completed");
  const done = events.flatMap((event) => (event.type === "response.output_item.done" ? [event.item] : []));
  expect(done).toMatchObject([
    { type: "message", status: "completed", content: [{ text: long }] },
    { type: "mcp_call" },
    { type: "message", status: "incomplete", content: [{ text: `One ${long}\n\n` }] },
    { type: "message", status: "completed", content: [{ text: "Another." }] },
  ]);
  expect(last.response.output).toMatchObject([
    { type: "message", content: [] },
    { type: "mcp_call" },
    { type: "message", content: [] },
    { type: "message", content: [{ text: "Another." }] },
  ]);
  // And what is void says nothing when it comes back.
  rig.script = ({ items }) => ({ parts: [text(String(items.length))] });
  const input = [
    { role: "user" as const, content: "?" },
    ...last.response.output.filter(({ type }) => type === "message"),
  ];
  const next = await rig.client.responses.create({
    model: "gpt-5.2",
    input: [...input, { role: "user" as const, content: "And?" }] as never,
  });
  expect(next.output_text).toBe("3");
});

test("a run that fails in the middle keeps what was told, and its words for why", async () => {
  const shown = Promise.withResolvers<void>();
  rig.script = async (request, _signal, onDelta) => {
    if (!hasResult(request)) return { parts: [call("search", {}, "a")] };
    onDelta({ kind: "text", text: `So far ${long}` });
    await shown.promise;
    throw new BatonError("provider_rejected", "no more");
  };
  const events: ResponseStreamEvent[] = [];
  const body = { model: "gpt-5.2", input: "?", stream: true as const, ...search };
  for await (const event of await rig.client.responses.create(body)) {
    if (event.type === "response.output_text.delta") shown.resolve();
    events.push(event);
  }
  expect(faultsIn(events)).toEqual([]);
  expect(events.at(-1)).toMatchObject({
    type: "response.failed",
    response: {
      output: [{ type: "mcp_call" }, { type: "message", status: "incomplete" }],
      error: { code: "invalid_prompt" },
      baton: { error: { code: "provider_rejected" } },
    },
  });
});

test("a stream without an answer ends with OpenAI's error event, which the client throws with its code", async () => {
  rig.script = () => new Promise<never>(() => undefined);
  const { id } = await rig.client.responses.create({ model: "gpt-5.2", input: "?", background: true });
  await rig.client.responses.cancel(id);
  const { text: raw } = await rig.api.call("GET", `/v1/responses/${id}?stream=true`);
  const [frame = ""] = raw.split("\n\n").filter((one) => one.startsWith("event: error"));
  expect(JSON.parse(frame.split("\n")[1]?.slice("data: ".length) ?? "")).toMatchObject({
    ...{ type: "error", sequence_number: 2, code: "cancelled", param: null },
    message: expect.stringContaining(runOf(id)),
  });
  const thrown = await thrownBy(Array.fromAsync(await rig.client.responses.retrieve(id, { stream: true })));
  expect(thrown).toBeInstanceOf(APIError);
  expect(thrown).toMatchObject({ code: "cancelled" });
});

function isOfTool({ type }: ResponseStreamEvent): boolean {
  return type === "response.mcp_call.completed";
}
