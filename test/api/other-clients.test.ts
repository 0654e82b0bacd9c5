/**
 * Requests as clients send them that are no dependencies here, recorded from them: OpenAI's Agents SDK 0.20, LangChain's
 * ChatOpenAI 1.6, Vercel's AI SDK 7. What they send back of an answer is put into its place.
 */
import type OpenAI from "openai";
import { expect, test } from "vitest";
import { callIn, lastRequest, toolResultsIn, useResponses } from "../support/responses-rig.ts";
import { call, type Script, text } from "../support/scripted-model.ts";

const rig = useResponses();

const parameters = {
  ...{ $schema: "http://json-schema.org/draft-07/schema#", type: "object", additionalProperties: false },
  ...{ properties: { city: { type: "string" } }, required: ["city"] },
};
const chatTool = { type: "function", function: { name: "weather", description: "w", parameters } };

const askThenTell: Script = ({ items }) =>
  items.some(({ role }) => role === "tool")
    ? { parts: [text("It snows.")] }
    : { parts: [text("Let me look."), call("weather", { city: "Oslo" }, "call_w")] };

/** Bodies have fields that the types of the client know only in other versions. */
function respond(body: object) {
  return rig.client.responses.create(body as OpenAI.Responses.ResponseCreateParamsNonStreaming);
}

function chat(body: object) {
  return rig.client.chat.completions.create(body as OpenAI.Chat.ChatCompletionCreateParamsNonStreaming);
}

test("the Agents SDK says of a gpt-5 model that it shall not reason and say little, and sends outputs back as they came", async () => {
  rig.script = askThenTell;
  const user = { role: "user", content: "Weather?" };
  const body = {
    ...{ model: "gpt-5.2", instructions: "be", include: [], stream: false },
    ...{ text: { verbosity: "low" }, reasoning: { effort: "none" } },
    tools: [{ type: "function", name: "weather", description: "w", parameters, strict: true }],
  };
  const asked = await respond({ ...body, input: [user] });
  expect(asked.text).toEqual({ format: { type: "text" }, verbosity: "low" });
  expect(lastRequest(rig.api).settings).toEqual({ verbosity: "low", thinking: "off" });
  const result = { call_id: callIn(asked).call_id, output: "snow", status: "completed" };
  const answered = await respond({
    ...body,
    input: [user, ...asked.output, { type: "function_call_output", ...result }],
  });
  expect(answered.output_text).toBe("It snows.");
  expect(toolResultsIn(lastRequest(rig.api))).toEqual(["snow"]);
});

test("the Agents SDK's chat messages repeat a message in its parts, and their words are told once", async () => {
  rig.script = askThenTell;
  const body = { model: "gpt-5.2", tools: [chatTool], stream: false, verbosity: "low" };
  const messages = [
    { content: "be", role: "system" },
    { role: "user", content: "Weather?" },
  ];
  const asked = await chat({ ...body, messages });
  expect(lastRequest(rig.api).settings).toEqual({ verbosity: "low" });
  const tool_calls = asked.choices[0]?.message.tool_calls ?? [];
  const told = { type: "text", text: "Let me look.", role: "assistant", refusal: null, tool_calls };
  const answered = await chat({
    ...body,
    messages: [
      ...messages,
      { role: "assistant", content: [told], tool_calls },
      { role: "tool", tool_call_id: tool_calls[0]?.id, content: "snow" },
    ],
  });
  expect(answered.choices[0]?.message.content).toBe("It snows.");
  const { items } = lastRequest(rig.api);
  expect(items.flatMap(({ parts }) => parts).filter((part) => part.type === "text")).toEqual([
    text("Weather?"),
    text("Let me look."),
  ]);
  expect(toolResultsIn(lastRequest(rig.api))).toEqual(["snow"]);
});

test("LangChain sends an empty text and no word on strictness", async () => {
  rig.script = askThenTell;
  const body = {
    ...{ model: "gpt-5.2", stream: false, text: {}, reasoning: { effort: "low", summary: "auto" } },
    tools: [{ type: "function", name: "weather", parameters, description: "w", strict: null }],
  };
  const user = { type: "message", role: "user", content: "Weather?" };
  const asked = await respond({ ...body, input: [user] });
  const result = { type: "function_call_output", call_id: callIn(asked).call_id, output: "snow" };
  const answered = await respond({ ...body, input: [user, ...asked.output, result] });
  expect(answered.output_text).toBe("It snows.");
});

test("coding agents describe a function at length", async () => {
  rig.script = () => ({ parts: [text("Ready.")] });
  const description = "How to use the shell. ".repeat(1_000);
  const shell = { type: "function", function: { ...chatTool.function, name: "shell", description } };
  const messages = [{ role: "user", content: "Go." }];
  const answered = await chat({ model: "gpt-5.2", messages, tools: [shell] });
  expect(answered.choices[0]?.message.content).toBe("Ready.");
  expect(lastRequest(rig.api).tools).toMatchObject([{ name: "shell", description }]);
});
