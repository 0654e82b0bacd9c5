/**
 * Ids of calls that the caller runs: the same whenever and however the answer is asked for, and good for taking the run
 * up, over as many rounds as the conversation has.
 */
import type OpenAI from "openai";
import type { ChatCompletionMessageParam } from "openai/resources/chat/completions";
import type { ResponseInputItem } from "openai/resources/responses/responses";
import { expect, test } from "vitest";
import {
  callIn,
  eventsOf,
  lastRequest,
  runOf,
  toolResultsIn,
  useResponses,
  weather,
} from "../support/responses-rig.ts";
import { call, type Script, text } from "../support/scripted-model.ts";

const rig = useResponses();
const body = { model: "gpt-5.2", tools: [weather, { type: "mcp" as const, server_label: "library" }] };
const png = "data:image/png;base64,iVBORw0KGgo=";
const chatTools = [
  { type: "function" as const, function: { name: "weather", parameters: weather.parameters } },
];

const chatMessages: ChatCompletionMessageParam[] = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "Weather?" },
];

/** Searches, then asks for the weather of one city after the other; the caller sees the latter alone. */
const cities: Script = ({ items }) => {
  const results = items.flatMap(({ parts }) => parts.filter((part) => part.type === "tool_result"));
  const rounds = results.filter(({ name }) => name === "weather").length;
  if (results.length === 2 * rounds && rounds < 3) {
    return { parts: [text("I search."), call("search", { round: rounds }, `call_s${rounds}`)] };
  }
  if (rounds === 3) return { parts: [text("Warm everywhere.")] };
  return { parts: [text("And there?"), call("weather", { city: `city ${rounds}` }, `call_w${rounds}`)] };
};

async function forkOf(runId: string): Promise<string | undefined> {
  return (await rig.api.producer.get(runOf(runId))).run.forkedFrom?.run;
}

function outputFor(id: string, output = "warm"): ResponseInputItem {
  return { type: "function_call_output", call_id: id, output };
}

test("streamed, looked up or asked for by the key, by either endpoint, a call has one id", async () => {
  rig.script = cities;
  const content = [
    { type: "input_text" as const, text: "Weather?" },
    { type: "input_image" as const, image_url: png, detail: "low" as const },
  ];
  const input = [
    { role: "developer" as const, content: "Be brief." },
    { role: "user" as const, content },
  ];
  const key = { headers: { "Idempotency-Key": "one id" } };
  const whole = await rig.client.responses.create({ ...body, input }, key);
  const again = await rig.client.responses.create({ ...body, input }, key);
  const found = await rig.client.responses.retrieve(whole.id);
  const events = await Array.fromAsync(await rig.client.responses.retrieve(whole.id, { stream: true }));
  const last = events.at(-1);
  if (last?.type !== "response.completed") throw new Error("not completed");
  const ids = [whole, again, found, last.response].map((response) => callIn(response).call_id);
  expect(new Set(ids).size).toBe(1);

  const asked = { model: "gpt-5.2", messages: chatMessages, tools: chatTools, mcp_servers: ["library"] };
  const answer = await rig.client.chat.completions.create(asked, key);
  const streamed = await rig.client.chat.completions.stream(asked, key).finalChatCompletion();
  const [made, told] = [answer, streamed].map(({ choices }) => choices[0]?.message.tool_calls);
  expect(made).toMatchObject([{ id: expect.stringContaining(answer.id) }]);
  expect(told).toMatchObject(made ?? []);
});

test("rounds of calls take one another up, with items that were answered, looked up or streamed", async () => {
  rig.script = cities;
  let input: ResponseInputItem[] = [{ role: "user", content: "Weather?" }];
  let before: string | undefined;
  for (const way of ["answered", "looked up", "streamed", "answered"]) {
    const answered =
      way === "streamed"
        ? (await eventsOf(rig.client, { ...body, input })).at(-1)
        : await rig.client.responses.create({ ...body, input });
    if (answered === undefined) throw new Error("no answer");
    const response = "response" in answered ? answered.response : (answered as OpenAI.Responses.Response);
    if (before !== undefined) expect(await forkOf(response.id)).toBe(runOf(before));
    before = response.id;
    const { output } = way === "looked up" ? await rig.client.responses.retrieve(response.id) : response;
    if (!output.some(({ type }) => type === "function_call")) break;
    input = [...input, ...(output as ResponseInputItem[]), outputFor(callIn(response).call_id)];
  }
  expect(lastRequest(rig.api).items.at(-1)?.role).not.toBe("assistant");
  // Nothing that a server's tool gave was lost or bought again.
  expect(toolResultsIn(lastRequest(rig.api)).filter((one) => one === "three books")).toHaveLength(3);
});

test("a round behind previous_response_id is taken up by its items, too", async () => {
  rig.script = cities;
  const first = await rig.client.responses.create({ ...body, input: "Weather?" });
  const results = [outputFor(callIn(first).call_id)];
  const second = await rig.client.responses.create({
    ...body,
    previous_response_id: first.id,
    input: results,
  });
  expect(await forkOf(second.id)).toBe(runOf(first.id));
  const input = [
    { role: "user", content: "Weather?" },
    ...first.output,
    ...results,
    ...second.output,
    outputFor(callIn(second).call_id),
  ] as ResponseInputItem[];
  const third = await rig.client.responses.create({ ...body, input });
  expect(await forkOf(third.id)).toBe(runOf(second.id));
});

test("chat rounds are taken up, also by clients that drop the words beside calls", async () => {
  rig.script = cities;
  const messages = [...chatMessages];
  let before: string | undefined;
  for (let round = 0; round < 3; round += 1) {
    const asked = { model: "gpt-5.2", messages, tools: chatTools, mcp_servers: ["library"] };
    const { id, choices } = await rig.client.chat.completions.create(asked);
    if (before !== undefined) expect(await forkOf(`resp_${id}`)).toBe(before);
    before = id;
    const { tool_calls = [] } = choices[0]?.message ?? {};
    messages.push({ role: "assistant", content: null, tool_calls });
    for (const { id: callId } of tool_calls)
      messages.push({ role: "tool", tool_call_id: callId, content: "warm" });
  }
});

test.each<readonly [string, (input: ResponseInputItem[]) => ResponseInputItem[]]>([
  ["the question", ([, ...rest]) => [{ role: "user", content: "Climate?" }, ...rest]],
  ["a system message", (input) => [{ role: "system", content: "Lie." }, ...input]],
  [
    "the result of an earlier round",
    (input) => {
      const place = input.findIndex(({ type }) => type === "function_call_output");
      return input.map((item, at) =>
        at === place ? { ...item, output: "snow" } : item,
      ) as ResponseInputItem[];
    },
  ],
])("an edit of %s makes it a conversation of its own", async (_what, edited) => {
  rig.script = cities;
  let input: ResponseInputItem[] = [{ role: "user", content: "Weather?" }];
  for (let round = 0; round < 2; round += 1) {
    const { output } = await rig.client.responses.create({ ...body, input });
    const made = output.find(({ type }) => type === "function_call");
    if (made?.type !== "function_call") throw new Error("no call");
    input = [...input, ...(output as ResponseInputItem[]), outputFor(made.call_id)];
  }
  const { id } = await rig.client.responses.create({ ...body, input: edited(input) });
  expect(await forkOf(id)).toBeUndefined();
  const same = await rig.client.responses.create({ ...body, input });
  expect(await forkOf(same.id)).toBeDefined();
});
