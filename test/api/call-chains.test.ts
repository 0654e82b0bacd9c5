/**
 * Runs that hand over, use a server's tool and end with calls of the caller's, round after round: each takes up the one
 * before, whichever endpoint is asked, streamed or not, and though the API is started anew in between.
 */
import type { ChatCompletionMessageParam } from "openai/resources/chat/completions";
import type { ResponseInputItem } from "openai/resources/responses/responses";
import { expect, test } from "vitest";
import {
  eventsOf,
  lastRequest,
  runOf,
  toolResultsIn,
  useResponses,
  weather,
} from "../support/responses-rig.ts";
import { call, type Script, text } from "../support/scripted-model.ts";

const ROUNDS = 3;
const rig = useResponses();

/** The first model searches and hands over; the second asks for the weather. In each round they say what is not the answer. */
const inTurns: Script = ({ model, items, tools }, _signal, onDelta) => {
  const results = items.flatMap(({ parts }) => parts.filter((part) => part.type === "tool_result"));
  const rounds = results.filter(({ name }) => name === "weather").length;
  if (rounds === ROUNDS) return { parts: [text("Warm everywhere.")] };
  const searches = results.filter(({ name }) => name === "search").length;
  const onTheWay = "This is long enough to be sent before it is known to be no answer. ".repeat(5);
  if (searches <= rounds) {
    onDelta({ kind: "text", text: onTheWay });
    return { parts: [text(onTheWay), call("search", { rounds }, `call_s${rounds}`)] };
  }
  const transfer = tools.find(({ name }) => name.startsWith("transfer_to_anthropic"));
  if (model.startsWith("openai/") && transfer !== undefined) {
    return { parts: [call(transfer.name, { reason: "It knows.", brief: "Go on." }, `call_t${rounds}`)] };
  }
  const both = [call("weather", { city: `city ${rounds}` }, `call_w${rounds}`)];
  return { parts: [text("And there?"), ...both] };
};

const asked = { model: ["gpt-5.2", "claude-opus-4-5"] as unknown as string, mcp_servers: ["library"] };

async function expectChain(runs: readonly string[]): Promise<void> {
  expect(runs).toHaveLength(ROUNDS + 1);
  for (const [place, id] of runs.entries()) {
    const { run } = await rig.api.producer.get(runOf(id));
    expect(run).toMatchObject({ status: "succeeded", model: "anthropic/claude-opus-4-5" });
    // Who made the calls goes on.
    expect(run.handoffs).toBe(place === 0 ? 1 : 0);
    expect(run.forkedFrom?.run).toBe(runs[place - 1]);
  }
  // Nothing that a server's tool gave was lost or bought again.
  expect(toolResultsIn(lastRequest(rig.api)).filter((one) => one === "three books")).toHaveLength(ROUNDS);
}

test.each([false, true])("by responses (streamed: %s)", async (isStreamed) => {
  rig.script = inTurns;
  const input: ResponseInputItem[] = [{ role: "user", content: "Weather?" }];
  const runs: string[] = [];
  for (;;) {
    const body = { ...asked, input, tools: [weather] };
    const last = isStreamed ? (await eventsOf(rig.client, body)).at(-1) : undefined;
    const response =
      last?.type === "response.completed" ? last.response : await rig.client.responses.create(body);
    if (isStreamed) expect(last?.type).toBe("response.completed");
    runs.push(runOf(response.id));
    const calls = response.output.filter((item) => item.type === "function_call");
    input.push(...(response.output as ResponseInputItem[]));
    if (calls.length === 0) break;
    await rig.api.restart();
    for (const { call_id } of calls) input.push({ type: "function_call_output", call_id, output: "warm" });
  }
  await expectChain(runs);
});

test.each([false, true])("by chat (streamed: %s)", async (isStreamed) => {
  rig.script = inTurns;
  const messages: ChatCompletionMessageParam[] = [{ role: "user", content: "Weather?" }];
  const tools = [
    { type: "function" as const, function: { name: "weather", parameters: weather.parameters } },
  ];
  const runs: string[] = [];
  for (;;) {
    const body = { ...asked, messages, tools };
    const { id, choices } = isStreamed
      ? await rig.client.chat.completions.stream(body).finalChatCompletion()
      : await rig.client.chat.completions.create(body);
    runs.push(id);
    const message = choices[0]?.message;
    if (message === undefined) throw new Error("no message");
    messages.push(message);
    if (message.tool_calls === undefined || message.tool_calls.length === 0) break;
    await rig.api.restart();
    for (const one of message.tool_calls)
      messages.push({ role: "tool", tool_call_id: one.id, content: "warm" });
  }
  await expectChain(runs);
});
