/** The Dedalus client and its runner, unchanged, against this API. */
import { createRequire } from "node:module";
import type { Item, ToolHost } from "@baton/core";
import { Dedalus, DedalusRunner } from "dedalus-labs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type ApiRig, openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { useRedis } from "../support/redis.ts";
import { call, type Script, text } from "../support/scripted-model.ts";
import { until } from "../support/until.ts";

const GPT = "openai/gpt-5.2";
const CLAUDE = "anthropic/claude-opus-4-5";
// The helper looks zod up by `require`, so its own ESM build finds none.
const { zodResponseFormat }: typeof import("dedalus-labs/helpers/zod") = createRequire(import.meta.url)(
  "dedalus-labs/helpers/zod",
);
const redis = useRedis();
let api: ApiRig;
let client: Dedalus;
let script: Script;
/** That the client sent, its retries among them. */
let requests = 0;

/** A server of one tool, which answers with its argument. */
const library: ToolHost = {
  list: async ({ servers }) => ({
    tools: servers.map((server) => ({
      ...{ name: "look_up", description: "Looks a word up.", inputSchema: { type: "object" } },
      ...{
        readOnly: true,
        idempotent: true,
        approval: false,
        origin: { kind: "mcp", server, tool: "look_up" },
      },
    })),
    problems: [],
  }),
  call: async ({ arguments: { word } }) => ({
    isError: false,
    content: [{ type: "text", text: `about ${word}` }],
  }),
  close: async () => undefined,
};

beforeAll(async () => {
  api = await openApiRig(redis.url, {
    script: (...args) => script(...args),
    tools: library,
    config: { mcpServers: { "tsion/exa": { command: "unused" } } },
  });
  client = new Dedalus({
    baseURL: api.url,
    apiKey: "any",
    fetch: (...args) => {
      requests += 1;
      return fetch(...args);
    },
  });
});
afterAll(async () => api[Symbol.asyncDispose]());

test("a list of models and a server of tools give the text that the last model wrote", async () => {
  script = relay;
  const before = api.models.calls.length;
  const result = await new DedalusRunner(client).run({
    input: "What is a baton?",
    model: [GPT, CLAUDE],
    mcpServers: ["tsion/exa"],
  });
  expect(result).toMatchObject({ finalOutput: "It is about batons." });
  expect(Object(result).toInputList()).toEqual([
    { role: "user", content: "What is a baton?" },
    { role: "assistant", content: "It is about batons." },
  ]);
  expect(api.models.calls.slice(before).map(({ model }) => model)).toEqual([GPT, GPT, CLAUDE]);
});

test("the answer tells which models and tools ran here, and what they gave", async () => {
  script = relay;
  const completion = await client.chat.completions.create({
    model: [GPT, { model: CLAUDE, settings: { max_tokens: 500 } }],
    messages: [{ role: "user", content: "?" }],
    mcp_servers: ["tsion/exa"],
    agent_attributes: { depth: 0.9 },
    model_attributes: { [GPT]: { cost: 0.2 } },
  });
  expect(completion).toMatchObject({
    model: CLAUDE,
    tools_executed: ["look_up"],
    mcp_tool_results: [
      {
        ...{ server_name: "tsion/exa", tool_name: "look_up", arguments: { word: "batons" } },
        ...{ is_error: false, result: "about batons" },
      },
    ],
    turns_consumed: 3,
    models_used: [GPT, CLAUDE],
    baton: {
      handoffs: 1,
      phases: [
        { model: GPT, turns: 2 },
        { model: CLAUDE, turns: 1 },
      ],
    },
    usage: { prompt_tokens: 30, completion_tokens: 15 },
  });
  expect(api.models.calls.at(-1)?.request.settings).toMatchObject({ max_output_tokens: 500 });
});

test("what the runner streams is the answer alone: nothing of what models said on the way", async () => {
  script = relay;
  const stream = await new DedalusRunner(client).run({
    ...{ input: "?", model: [GPT, CLAUDE], mcpServers: ["tsion/exa"], stream: true },
  });
  let content = "";
  let reasoning = "";
  for await (const chunk of stream as AsyncIterable<Dedalus.Chat.StreamChunk>) {
    const delta = chunk.choices[0]?.delta;
    content += delta?.content ?? "";
    reasoning += typeof delta?.reasoning_content === "string" ? delta.reasoning_content : "";
    expect(delta?.tool_calls ?? []).toEqual([]);
  }
  expect(content).toBe("It is about batons.");
  expect(reasoning).toBe("I shall look it up.The research is done.");
});

test("functions of the caller run at the caller, and the runner goes on with their results", async () => {
  script = ({ items }) => {
    const results = items.flatMap(({ parts }) => parts).filter((part) => part.type === "tool_result");
    if (results.length === 0)
      return { parts: [call("add", { a: 2, b: 3 }, "c1"), call("add", { a: 4, b: 5 }, "c2")] };
    return {
      parts: [
        text(
          results.flatMap(({ content }) => content.map((part) => "text" in part && part.text)).join(" and "),
        ),
      ],
    };
  };
  const asked: unknown[] = [];
  function add(a: number, b: number): number {
    asked.push([a, b]);
    return a + b;
  }
  for (const stream of [false, true]) {
    const ran = await new DedalusRunner(client).run({ input: "Add.", model: GPT, tools: [add], stream });
    if (stream) {
      let content = "";
      for await (const chunk of ran as AsyncIterable<Dedalus.Chat.StreamChunk>) {
        content += chunk.choices[0]?.delta.content ?? "";
      }
      expect(content).toBe("5 and 9");
    } else {
      expect(ran).toMatchObject({ finalOutput: "5 and 9", toolsCalled: ["add"], stepsUsed: 2 });
      expect(Object(ran).toolResults).toHaveLength(2);
    }
  }
  expect(asked).toEqual([
    [2, 3],
    [4, 5],
    [2, 3],
    [4, 5],
  ]);
  // The client writes keywords of JSON Schema in snake_case; models get them as they are.
  const [tool] = api.models.calls.at(-1)?.request.tools ?? [];
  expect(tool?.inputSchema).toMatchObject({ additionalProperties: false, required: ["a", "b"] });
});

test("functions of the caller and tools of a server work in one task: what a server gave is kept, and not asked for again", async () => {
  script = ({ model, items }) => {
    const done = resultsIn(items).map(({ name }) => name);
    if (model === GPT) {
      const handOver = { reason: "yours", brief: "stamp it" };
      return {
        parts: [
          done.includes("look_up")
            ? call("transfer_to_anthropic_claude_opus_4_5", handOver, "t1")
            : call("look_up", { word: "post" }, "l1"),
        ],
      };
    }
    return {
      parts: [done.includes("stamp") ? text(`After ${done.join(", ")}.`) : call("stamp", { x: "1" }, "s1")],
    };
  };
  function stamp(x: string): string {
    return `stamped ${x}`;
  }
  const before = api.models.calls.length;
  const result = await new DedalusRunner(client).run({
    ...{ input: "Post it.", model: [GPT, CLAUDE], tools: [stamp], mcpServers: ["tsion/exa"] },
  });
  expect(result).toMatchObject({
    finalOutput: "After look_up, transfer_to_anthropic_claude_opus_4_5, stamp.",
    toolsCalled: ["stamp"],
  });
  expect(api.models.calls.slice(before).map(({ model }) => model)).toEqual([GPT, GPT, CLAUDE, CLAUDE]);
});

test("an edited conversation is taken as it comes", async () => {
  const seen: string[] = [];
  script = ({ items }) => {
    const done = resultsIn(items).map(({ name }) => name);
    seen.push(done.join(" "));
    if (done.includes("stamp")) return { parts: [text("Stamped.")] };
    return {
      parts: [done.includes("look_up") ? call("stamp", { x: "1" }, "s1") : call("look_up", {}, "l1")],
    };
  };
  const body = {
    model: GPT,
    mcp_servers: ["tsion/exa"],
    tools: [{ type: "function" as const, function: { name: "stamp" } }],
  };
  const asked = await client.chat.completions.create({
    ...body,
    messages: [{ role: "user", content: "One." }],
  });
  const [made] = asked.choices[0]?.message.tool_calls ?? [];
  const { id = "" } = Object(made);
  const answer = (content: string, toolCallId: string, args = '{"x":"1"}') =>
    client.chat.completions.create({
      ...body,
      messages: [
        { role: "user", content },
        {
          role: "assistant",
          tool_calls: [{ id: toolCallId, type: "function", function: { name: "stamp", arguments: args } }],
        },
        { role: "tool", tool_call_id: toolCallId, content: "ok" },
      ],
    });
  seen.length = 0;
  await answer("Another.", id);
  await answer("One.", "call_of_somebody_else");
  await answer("One.", id, '{"x":"2"}');
  // What ran for the first answer is not told a second time.
  expect(await answer("One.", id)).toMatchObject({
    tools_executed: [],
    mcp_tool_results: [],
    turns_consumed: 1,
  });
  expect(seen).toEqual(["stamp", "stamp", "stamp", "look_up stamp"]);
});

test("a result begins the next run", async () => {
  script = ({ items }) => ({ parts: [text(`${items.length} items`)] });
  const runner = new DedalusRunner(client);
  const first = await runner.run({ input: "One.", model: GPT, instructions: "Count." });
  const history = Object(first).toInputList();
  const second = await runner.run({ messages: [...history, { role: "user", content: "Two." }], model: GPT });
  expect(second).toMatchObject({ finalOutput: "3 items" });
  expect(api.models.calls.at(-1)?.request.instructions).toBe("Count.");
});

test("structured output is asked for and parsed", async () => {
  const City = z.object({ cityName: z.string() });
  script = ({ responseFormat }) => {
    expect(responseFormat).toMatchObject({
      json_schema: { schema: { properties: { cityName: { type: "string" } }, additionalProperties: false } },
    });
    return { parts: [text('{"cityName":"Oslo"}')] };
  };
  const parsed = await client.chat.completions.parse({
    model: GPT,
    messages: [{ role: "user", content: "A city." }],
    response_format: zodResponseFormat(City, "city"),
  });
  expect(parsed.choices[0]?.message.parsed).toEqual({ cityName: "Oslo" });
});

test("errors are the client's typed ones, and a conflict is not sent again", async () => {
  script = () => ({ parts: [text("x")] });
  const messages = [{ role: "user" as const, content: "?" }];
  await expect(client.chat.completions.create({ model: "nobody/x", messages })).rejects.toThrow(
    Dedalus.NotFoundError,
  );
  await expect(client.chat.completions.create({ model: GPT, messages, n: 2 })).rejects.toThrow(
    Dedalus.BadRequestError,
  );
  await client.chat.completions.create({ model: GPT, messages }, { idempotencyKey: "mine" });
  const before = requests;
  await expect(
    client.chat.completions.create({ model: CLAUDE, messages }, { idempotencyKey: "mine" }),
  ).rejects.toThrow(Dedalus.ConflictError);
  expect(requests - before).toBe(1);
});

test("models are listed as the client expects them", async () => {
  // A worker that has just begun is not known yet.
  const model = await until(() => client.models.retrieve(GPT), { what: "a served model" });
  expect(model).toMatchObject({ id: GPT, provider: "openai" });
});

function resultsIn(items: readonly Item[]) {
  return items.flatMap(({ parts }) => parts).filter((part) => part.type === "tool_result");
}

/** The first model looks something up and hands over, the second writes. */
const relay: Script = ({ model, items }) => {
  if (model === CLAUDE) return { parts: [text("It is about batons.")] };
  const looked = items.some(({ parts }) => parts.some((part) => part.type === "tool_result"));
  return looked
    ? {
        parts: [
          text("The research is done."),
          call("transfer_to_anthropic_claude_opus_4_5", { reason: "yours", brief: "write" }, "t1"),
        ],
      }
    : { parts: [text("I shall look it up."), call("look_up", { word: "batons" }, "l1")] };
};
