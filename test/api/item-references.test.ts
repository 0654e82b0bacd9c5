/**
 * Items of earlier responses by their ids alone, in the inputs that Vercel's AI SDK sends: it takes responses for stored, so
 * what came with an id (text, reasoning, calls that ran here) goes back as an `item_reference`, calls of the caller's own
 * functions and their results as they are. Older versions of it refer to calls as well.
 */
import OpenAI, { NotFoundError } from "openai";
import type { Response, ResponseInputItem } from "openai/resources/responses/responses";
import { expect, test } from "vitest";
import { makeKnownKey } from "../../apps/api/src/testing/api-keys.ts";
import {
  callIn,
  lastRequest,
  runOf,
  thrownBy,
  toolResultsIn,
  useResponses,
  weather,
} from "../support/responses-rig.ts";
import { call, type Script, text } from "../support/scripted-model.ts";

const BODY_BYTES_MAX = 100_000;
const rig = useResponses({ api: { bodyBytesMax: BODY_BYTES_MAX } });

const question = { role: "user" as const, content: "What is there?" };
const tools = [weather, { type: "mcp" as const, server_label: "library" }];

function referTo({ id = "" }: { readonly id?: string | null }): ResponseInputItem {
  return { type: "item_reference", id: id ?? "" };
}

/** Looks books up, which runs here, then asks for the weather, which does not, then tells what it was told. */
const booksThenWeather: Script = ({ items }) => {
  const results = items.flatMap(({ parts }) => parts).filter((part) => part.type === "tool_result");
  if (results.length === 0) return { parts: [text("Books first."), call("search", { q: "x" }, "call_s")] };
  if (results.length === 1)
    return { parts: [text("Now the sky."), call("weather", { city: "Oslo" }, "call_w")] };
  return { parts: [text(`I was told ${results.length} things.`)] };
};

function resultFor(response: Response): ResponseInputItem {
  return { type: "function_call_output", call_id: callIn(response).call_id, output: "snow" };
}

function respond(input: ResponseInputItem[], extra: { previous_response_id?: string } = {}) {
  return rig.client.responses.create({ model: "gpt-5.2", input, tools, ...extra });
}

test("references stand for the items that they name, and a run that ended with calls is taken up by them", async () => {
  rig.script = booksThenWeather;
  const asked = await respond([question]);
  const kinds = asked.output.map(({ type }) => type);
  expect(new Set(kinds)).toEqual(new Set(["reasoning", "mcp_call", "message", "function_call"]));
  const whole = await respond([question, ...asOutputCameBack(asked), resultFor(asked)]);
  const seen = spoken();
  expect(toolResultsIn(lastRequest(rig.api))).toEqual(["three books", "snow"]);

  const [ofCalls, ofAll] = [["function_call"], []].map((sentWhole: readonly string[]) =>
    asked.output.map((item) => (sentWhole.includes(item.type) ? (item as ResponseInputItem) : referTo(item))),
  );
  for (const output of [ofCalls ?? [], ofAll ?? []]) {
    const answered = await respond([question, ...output, resultFor(asked)]);
    expect(answered.output_text).toBe(whole.output_text);
    expect(spoken()).toEqual(seen);
  }
});

test("a conversation goes on behind references, streamed or not, with what was said and without the reasoning", async () => {
  const shown = { type: "reasoning" as const, text: "Hm." };
  rig.script = () => ({ parts: [shown, text("A fjord.")] });
  const first = await respond([question]);
  const streamed = await rig.client.responses
    .stream({ model: "gpt-5.2", input: [question, ...first.output.map(referTo), question], tools })
    .finalResponse();
  const third = [question, ...first.output.map(referTo), question, ...streamed.output.map(referTo), question];
  await respond(third);
  expect(spoken()).toEqual([
    ["user", "What is there?"],
    ["assistant", "A fjord."],
    ["user", "What is there?"],
    ["assistant", "A fjord."],
    ["user", "What is there?"],
  ]);
});

test("of the messages that a stream began, the last is the answer and the others are void; so is all before calls alone", async () => {
  rig.script = () => ({ parts: [text("A fjord.")] });
  const { id } = await respond([question]);
  const both = [0, 1].map((place) => referTo({ id: `msg_${runOf(id)}_${place}` }));
  await respond([question, ...both, question]);
  expect(spoken().filter(([role]) => role === "assistant")).toEqual([["assistant", "A fjord."]]);

  rig.script = ({ items }) =>
    items.some(({ role }) => role === "tool")
      ? { parts: [text("Snow.")] }
      : { parts: [call("weather", { city: "Oslo" }, "call_w")] };
  const asked = await respond([question]);
  const taken = referTo({ id: `msg_${runOf(asked.id)}_0` });
  const answered = await respond([question, taken, callIn(asked), resultFor(asked)]);
  expect(answered.output_text).toBe("Snow.");
});

test("a call that ran here and comes back without its result, as OpenAI's Agents SDK sends it, is told with the result", async () => {
  rig.script = ({ items }) =>
    items.some(({ role }) => role === "tool")
      ? { parts: [text("Three.")] }
      : { parts: [call("search", { q: "x" }, "call_s")] };
  const { output } = await respond([question]);
  const stripped = output.map(({ ...item }) => {
    if (item.type === "mcp_call") delete item.output;
    return item as ResponseInputItem;
  });
  expect(stripped).toContainEqual(
    expect.objectContaining({ type: "mcp_call", error: null, status: "completed" }),
  );
  await respond([question, ...stripped, question]);
  expect(toolResultsIn(lastRequest(rig.api))).toEqual(["three books"]);
  // One that is not here any more is taken as it comes.
  const gone = stripped.map((item) =>
    item.type === "mcp_call" ? { ...item, id: "mcp_r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V_0" } : item,
  );
  expect((await respond([question, ...gone, question])).status).toBe("completed");
});

test("a reference without its type is one, and errors point at the places of the request", async () => {
  rig.script = () => ({ parts: [text("A fjord.")] });
  const { output } = await respond([question]);
  const bare = { id: output[0]?.id } as ResponseInputItem;
  await respond([bare, question]);
  expect(spoken()).toEqual([
    ["assistant", "A fjord."],
    ["user", "What is there?"],
  ]);
  const unknown = { type: "computer_call" } as ResponseInputItem;
  const reasoning = referTo({ id: output[0]?.id?.replace("msg_", "rs_") ?? "" });
  expect(await thrownBy(respond([question, reasoning, unknown]))).toMatchObject({ param: "input.2" });
});

test("what cannot be referred to is a 404 that names its place", async () => {
  rig.script = () => ({ parts: [], stopReason: "refusal" });
  const refused = await respond([question]);
  rig.script = () => ({ parts: [text("A fjord.")] });
  const { id } = await respond([question]);
  const nobody = "r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V";
  const wrong = [
    ...["x", "msg_68a1", "", `msg_${nobody}_0`, `fc_${nobody}_0`, `msg_${nobody.replace("r_0", "r_999")}_0`],
    ...[`fc_${runOf(id)}_0`, `mcp_${runOf(id)}_7`, `fc_${runOf(refused.id)}_0`],
  ];
  const bought = rig.api.models.calls.length;
  for (const one of wrong) {
    const error = await thrownBy(respond([question, referTo({ id: one }), question]));
    expect(error, one).toBeInstanceOf(NotFoundError);
    expect(error, one).toMatchObject({ code: "item_not_found", param: "input.1" });
  }
  const many = Array.from({ length: 201 }, (_, place) =>
    referTo({ id: `msg_r_0_01J9ZC7Q8H2N3K4M5P6R7S8${String(place).padStart(3, "0")}_0` }),
  );
  const error = await thrownBy(respond([...many, question]));
  expect(error).toMatchObject({ status: 400, code: "unsupported", param: "input" });
  expect(rig.api.models.calls.length).toBe(bought);
});

test("references bring no more than a body may have", async () => {
  rig.script = () => ({ parts: [text("fjord ".repeat(BODY_BYTES_MAX / 18))] });
  const told = [await respond([question]), await respond([question]), await respond([question])];
  const all = told.flatMap(({ output }) => output.map(referTo));
  expect((await respond([...all.slice(0, 2), question])).status).toBe("completed");
  const error = await thrownBy(respond([...all, question]));
  expect(error).toMatchObject({ status: 413, code: "too_large", param: "input" });
});

// Keys that were made hold from then on, so this comes last.
test("items of another namespace are not there", async () => {
  rig.script = () => ({ parts: [text("Mine.")] });
  const [one, two] = [await makeKnownKey(rig.api), await makeKnownKey(rig.api)];
  const [owner, other] = [one, two].map(
    ({ text: apiKey }) => new OpenAI({ baseURL: `${rig.api.url}/v1`, apiKey, maxRetries: 0 }),
  );
  const mine = await owner?.responses.create({ model: "gpt-5.2", input: "?" });
  const input = [...(mine?.output ?? []).map(referTo), question];
  const next = { model: "gpt-5.2", input };
  expect(await owner?.responses.create(next)).toMatchObject({ output_text: "Mine." });
  const refusal = other === undefined ? undefined : await thrownBy(other.responses.create(next));
  expect(refusal).toMatchObject({ status: 404, code: "item_not_found" });
});

/** Who said what to the model that was called last. */
function spoken(): readonly (readonly [role: string, said: string])[] {
  return lastRequest(rig.api).items.flatMap(({ role, parts }) =>
    parts.flatMap((part) => (part.type === "text" ? [[role, part.text] as const] : [])),
  );
}

function asOutputCameBack({ output }: Response): ResponseInputItem[] {
  // The client's types of output and input differ in what no item here has.
  return output as ResponseInputItem[];
}
