/** The Runner over real workers and a real Redis; only the models and the tool host are scripted. */
import {
  BatonError,
  functionTool,
  type Item,
  type RunId,
  type ToolDefinition,
  type ToolHost,
  type ToolSelection,
} from "@baton/core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { useRedis } from "../../../test/support/redis.ts";
import { call, type Script, scriptedModels, text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { openRig, type Rig } from "../../../test/support/worker-rig.ts";
import { Runner } from "./runner.ts";

const redis = useRedis();

const WEATHER: ToolDefinition = {
  name: "weather",
  description: "tells the weather",
  inputSchema: { type: "object", properties: { city: { type: "string" } } },
  readOnly: true,
  idempotent: true,
  approval: false,
  origin: { kind: "mcp", server: "sky", tool: "weather" },
};

/** A rig with one worker whose models follow the script. */
async function openScripted(script: Script, tools?: ToolHost) {
  const rig = await openRig(redis.url);
  const models = scriptedModels(script);
  await rig.startWorker({
    adapters: models.adapters,
    patterns: ["openai/*", "anthropic/*"],
    ...(tools === undefined ? {} : { tools, capabilities: new Set(["server:sky", "function:lookup"]) }),
  });
  const lines: string[] = [];
  const push = (line: string) => lines.push(line);
  const runner = new Runner({ producer: rig.producer, log: { info: push, debug: push, warn: push } });
  return { rig, runner, models, lines, [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]() };
}

const lastResult = (items: readonly Item[]) =>
  items.at(-1)?.parts.find((part) => part.type === "tool_result" && !part.name.startsWith("transfer_to_"));

describe("a run", () => {
  test("with a list of models hands off, and its result tells who really ran", async () => {
    await using scripted = await openScripted((request) =>
      request.model === "openai/gpt"
        ? {
            parts: [text("notes"), call("transfer_to_anthropic_claude", { reason: "prose", brief: "write" })],
          }
        : { parts: [text("a fine text")] },
    );
    const result = await scripted.runner.run({
      input: "go",
      instructions: "be brief",
      model: ["openai/gpt", { model: "anthropic/claude", settings: { max_tokens: 50 } }, "openai/unused"],
      temperature: 0.5,
    });
    expect(result).toMatchObject({
      status: "succeeded",
      finalOutput: "a fine text",
      output: "a fine text",
      content: "a fine text",
      modelsUsed: ["openai/gpt", "anthropic/claude"],
      stepsUsed: 2,
      toolsCalled: [],
      toolResults: [],
      usage: { inputTokens: 20, outputTokens: 10, totalTokens: 30 },
      costUsd: null,
    });
    expect(scripted.models.calls.map(({ request }) => request.settings)).toEqual([
      { temperature: 0.5 },
      { temperature: 0.5, max_output_tokens: 50 },
    ]);
    expect(result.messages[0]).toEqual({ role: "system", content: "be brief" });
    expect(result.messages.at(-1)).toEqual({ role: "assistant", content: "a fine text" });
    expect(result.conversationHistory).toBe(result.messages);
    expect(result.phases.map((phase) => phase.model)).toEqual(["openai/gpt", "anthropic/claude"]);
  });

  test("begins with the messages that another ended with, and the instructions stand once", async () => {
    await using scripted = await openScripted(() => ({ parts: [text("well")] }));
    const { runner, models } = scripted;
    const first = await runner.run({ input: "one", instructions: "be brief", model: "openai/gpt" });
    const input = [...first.toInputList(), { role: "user", content: "two" }];
    const second = await runner.run({ input, instructions: "be brief", model: "openai/gpt" });
    expect(models.calls[1]?.request.instructions).toBe("be brief");
    expect(second.messages.map((message) => message.content)).toEqual([
      "be brief",
      "one",
      "well",
      "two",
      "well",
    ]);
    expect(second.stepsUsed).toBe(1);
  });

  test("passes MCP servers and configured functions on, and their results are among toolResults", async () => {
    const selections: ToolSelection[] = [];
    const host: ToolHost = {
      list: async (selection) => {
        selections.push(selection);
        return { tools: [WEATHER], problems: [] };
      },
      call: async ({ arguments: args }) => ({
        isError: false,
        content: [{ type: "text", text: `sunny in ${String(args.city)}` }],
      }),
      close: async () => undefined,
    };
    await using scripted = await openScripted(
      ({ items }) =>
        lastResult(items) === undefined
          ? { parts: [call("weather", { city: "Rome" })] }
          : { parts: [text("It is sunny.")] },
      host,
    );
    const result = await scripted.runner.run({
      input: "how is it?",
      model: "openai/gpt",
      mcpServers: ["sky"],
      tools: ["lookup"],
    });
    expect(selections[0]).toEqual({ servers: ["sky"], functions: ["lookup"] });
    expect(result.toolsCalled).toEqual(["weather"]);
    expect(result.toolResults).toEqual([
      { name: "weather", callId: "call_weather", result: "sunny in Rome", step: 1, isError: false },
    ]);
  });

  test("reads the final text by a zod schema, and its type is the schema's", async () => {
    await using scripted = await openScripted(() => ({ parts: [text('{"city":"Rome","degrees":21}')] }));
    const schema = z.object({ city: z.string(), degrees: z.number() });
    const result = await scripted.runner.run({ input: "?", model: "openai/gpt", responseFormat: schema });
    const degrees: number | undefined = result.outputParsed?.degrees;
    expect(degrees).toBe(21);
    const format = scripted.models.calls[0]?.request.responseFormat;
    expect(format).toMatchObject({ type: "json_schema", json_schema: { strict: true } });
  });

  test("whose answer does not fit the schema rejects, and says what does not", async () => {
    await using scripted = await openScripted(() => ({ parts: [text('{"city":7}')] }));
    const schema = z.object({ city: z.string() });
    const running = scripted.runner.run({ input: "?", model: "openai/gpt", responseFormat: schema });
    await expect(running).rejects.toMatchObject({
      code: "provider_protocol",
      message: expect.stringMatching(/city/),
    });
    await expect(running).rejects.toHaveProperty("fields.runId");
  });

  test("that fails rejects with its code and its id, and can be read there", async () => {
    await using scripted = await openScripted(() => {
      throw new BatonError("provider_auth", "the key is wrong");
    });
    const error: unknown = await scripted.runner
      .run({ input: "?", model: "openai/gpt" })
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(BatonError);
    if (!(error instanceof BatonError)) return;
    expect(error).toMatchObject({ code: "provider_auth", message: "the key is wrong" });
    // The field is the id that submit gave.
    const { run } = await scripted.rig.producer.get(error.fields.runId as RunId);
    expect(run.status).toBe("failed");
  });

  test("that does not end within maxSteps rejects, and is not an empty answer", async () => {
    let turn = 0;
    await using scripted = await openScripted(() => {
      turn += 1;
      return { parts: [call("again", {}, `call_${turn}`)] };
    });
    const running = scripted.runner.run({ input: "?", model: "openai/gpt", maxSteps: 3 });
    await expect(running).rejects.toMatchObject({ code: "max_turns" });
    expect(turn).toBe(3);
  });

  test("is refused before anything is written when a parameter is wrong", async () => {
    await using rig = await openRig(redis.url);
    const runner = new Runner({ producer: rig.producer });
    const wrong = [
      runner.run({ input: "?", model: [] }),
      runner.run({ input: "?", model: "no-provider" }),
      runner.run({ input: "?", messages: [{ role: "user", content: "!" }], model: "openai/gpt" }),
    ];
    await expect(runner.follow("nothing")).rejects.toThrow(/a run id looks like/);
    for (const running of wrong) await expect(running).rejects.toMatchObject({ code: "invalid_spec" });
    expect(await rig.ledger.count("queued")).toBe(0);
  });

  test("is one run for one idempotency key", async () => {
    await using scripted = await openScripted(() => ({ parts: [text("once")] }));
    const params = { input: "?", model: "openai/gpt", idempotencyKey: "k" };
    const [first, second] = [await scripted.runner.run(params), await scripted.runner.run(params)];
    expect(second.runId).toBe(first.runId);
    expect(second.finalOutput).toBe("once");
    expect(scripted.models.calls).toHaveLength(1);
  });

  test("tells its steps, models and tools to the log when it is verbose", async () => {
    await using scripted = await openScripted(({ items }) =>
      lastResult(items) === undefined ? { parts: [call("add", { a: 2, b: 3 })] } : { parts: [text("five")] },
    );
    const add = (a: number, b: number) => a + b;
    const params = { input: "2+3?", model: "openai/gpt", tools: [add], maxSteps: 4 };
    await scripted.runner.run({ ...params, verbose: true, debug: true });
    expect(scripted.lines).toEqual([
      "Local tools available: add",
      "Model: openai/gpt",
      "Step 1/4: openai/gpt",
      "  user: 2+3?",
      "  assistant: ",
      "Tool add returned: 5",
      "Step 2/4: openai/gpt",
      "  user: 2+3?",
      "  assistant: ",
      "  tool: 5",
      "  assistant: five",
      "Models used: openai/gpt",
      "Tools called: add",
    ]);
    scripted.lines.length = 0;
    await scripted.runner.run(params);
    expect(scripted.lines).toEqual([]);
  });
});

/** Asks for `double` of 4, then says what came back. */
const doubling: Script = ({ items }) => {
  const result = lastResult(items);
  if (result?.type !== "tool_result")
    return { parts: [call("double", { n: 4 }), call("double", { n: 5 }, "b")] };
  return { parts: [text(result.content.map((part) => (part.type === "text" ? part.text : "")).join())] };
};

describe("a tool of the caller", () => {
  test("runs in this process while the run waits, and the run goes on with its results", async () => {
    await using scripted = await openScripted(doubling);
    const contexts: string[] = [];
    const double = functionTool({
      name: "double",
      description: "doubles a number",
      parameters: z.object({ n: z.number() }),
      run: ({ n }, { runId, callId, idempotencyKey }) => {
        contexts.push(idempotencyKey);
        expect(idempotencyKey).toBe(`${runId}/${callId}`);
        return { doubled: 2 * n };
      },
    });
    const result = await scripted.runner.run({ input: "?", model: "openai/gpt", tools: [double] });
    expect(result.finalOutput).toBe('{"doubled":10}');
    expect(result.toolResults).toEqual([
      { name: "double", callId: "call_double", result: { doubled: 8 }, step: 1, isError: false },
      { name: "double", callId: "b", result: { doubled: 10 }, step: 1, isError: false },
    ]);
    expect(contexts).toHaveLength(2);
    expect(scripted.models.calls[0]?.request.tools).toMatchObject([
      { name: "double", description: "doubles a number", origin: { kind: "client" } },
    ]);
    const { run } = await scripted.rig.producer.get(result.runId);
    expect(run).toMatchObject({ status: "succeeded", turns: 2, phases: [{ attempts: 2 }] });
  });

  test("that throws, or is called with what does not fit, tells the model why", async () => {
    await using scripted = await openScripted(doubling);
    const tool = {
      name: "double",
      parameters: z.object({ n: z.number().max(4) }),
      run: () => {
        throw new Error("out of order");
      },
    };
    const result = await scripted.runner.run({ input: "?", model: "openai/gpt", tools: [tool] });
    expect(result.toolResults.map(({ result: said, isError }) => [said, isError])).toEqual([
      ["Error: out of order", true],
      [expect.stringMatching(/^Error: the arguments do not fit: n: /), true],
    ]);
  });

  test("is left to the caller when it has no code here, and the run goes on once it is answered", async () => {
    await using scripted = await openScripted(doubling);
    const { runner, rig } = scripted;
    const tool = { type: "function", function: { name: "double" } } as const;
    const left = await runner.run({ input: "?", model: "openai/gpt", tools: [tool] });
    expect(left).toMatchObject({ status: "waiting", finalOutput: "", toolsCalled: ["double"] });
    expect(left.pendingToolCalls).toEqual([
      { id: "call_double", type: "function", function: { name: "double", arguments: '{"n":4}' } },
      { id: "b", type: "function", function: { name: "double", arguments: '{"n":5}' } },
    ]);
    // One alone does not let the model go on.
    await rig.producer.input(left.runId, { tool_results: [{ tool_call_id: "b", content: "ten" }] });
    const still = await runner.follow(left.runId);
    expect(still.pendingToolCalls.map(({ id }) => id)).toEqual(["call_double"]);
    const done = await runner.follow(left.runId, { tools: [{ name: "double", run: () => "eight" }] });
    expect(done).toMatchObject({ status: "succeeded", finalOutput: "eight", stepsUsed: 2 });
    expect(scripted.models.calls).toHaveLength(2);
  });

  test("is not run with autoExecuteTools: false", async () => {
    await using scripted = await openScripted(doubling);
    const double = () => expect.unreachable("the tool ran");
    const left = await scripted.runner.run({
      input: "?",
      model: "openai/gpt",
      tools: [double],
      autoExecuteTools: false,
    });
    expect(left.pendingToolCalls).toHaveLength(2);
  });

  test("hears of it when the run is cancelled, and the run rejects at once", async () => {
    await using scripted = await openScripted(doubling);
    const started = Promise.withResolvers<RunId>();
    const aborted = Promise.withResolvers<void>();
    const hang = functionTool({
      name: "double",
      description: "never answers",
      parameters: z.object({}),
      run: (_, { runId, signal }) => {
        // The runner gives the id that submit gave.
        started.resolve(runId as RunId);
        signal.addEventListener("abort", () => aborted.resolve());
        return new Promise(() => undefined);
      },
    });
    const running = scripted.runner.run({ input: "?", model: "openai/gpt", tools: [hang] });
    running.catch(() => undefined);
    await scripted.rig.producer.cancel(await started.promise);
    await expect(running).rejects.toMatchObject({ code: "cancelled" });
    await aborted.promise;
  });

  test("of two processes that follow a run is given back by one, and both see the end", async () => {
    await using scripted = await openScripted(doubling);
    const tool = { type: "function", function: { name: "double" } } as const;
    const { runId } = await scripted.runner.run({ input: "?", model: "openai/gpt", tools: [tool] });
    const both = Promise.withResolvers<void>();
    let callers = 0;
    const meet = async () => {
      callers += 1;
      if (callers === 4) both.resolve();
      await both.promise;
      return "met";
    };
    const follow = () => scripted.runner.follow(runId, { tools: [{ name: "double", run: meet }] });
    const [one, other] = await Promise.all([follow(), follow()]);
    expect([one.finalOutput, other.finalOutput]).toEqual(["met", "met"]);
    const results = (await scripted.rig.producer.conversation(runId)).filter((item) => item.role === "tool");
    expect(results).toHaveLength(2);
  });
});

describe("a signal", () => {
  test("stops the waiting, and the run goes on", async () => {
    const gate = Promise.withResolvers<void>();
    await using scripted = await openScripted(async () => {
      await gate.promise;
      return { parts: [text("late")] };
    });
    const stop = new AbortController();
    const running = scripted.runner.run({ input: "?", model: "openai/gpt", signal: stop.signal });
    await untilCalled(scripted.models.calls);
    stop.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    gate.resolve();
    const run = await firstSucceeded(scripted.rig);
    expect((await scripted.runner.follow(run)).finalOutput).toBe("late");
  });
});

const untilCalled = (calls: readonly unknown[]) => until(() => calls.length > 0, { what: "a model call" });

const firstSucceeded = (rig: Rig) =>
  until(async () => (await rig.ledger.list("succeeded", { limit: 1 }))[0], { what: "the end of the run" });
