import { functionTool, parseRunSpec, type ToolCallPart } from "@baton/core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { callLocal } from "./call-local.ts";
import { type RunnerTool, readTools } from "./local-tools.ts";

const NEVER = new AbortController().signal;
const object = (value: Record<string, unknown>): ToolCallPart["arguments"] => ({ kind: "object", value });

/** Calls the one tool as a run would. */
async function callOne(tool: RunnerTool, args: ToolCallPart["arguments"], charsMax = 1_000, signal = NEVER) {
  const { local } = readTools([tool]);
  const [name, code] = [...local][0] ?? [];
  if (name === undefined || code === undefined) throw new Error("the tool has no code");
  const call: ToolCallPart = { type: "tool_call", callId: "c1", name, arguments: args };
  return callLocal(code, call, "r_1", charsMax, signal);
}

const specsOf = (...tools: RunnerTool[]) =>
  parseRunSpec({ input: "?", model: "openai/gpt", tools: readTools(tools).specs }).tools;

describe("tools in a spec", () => {
  test("are names of configured functions, or definitions of the caller's own", () => {
    const add = (a: number, b = 1) => a + b;
    expect(specsOf("lookup", add)).toEqual([
      "lookup",
      {
        type: "function",
        function: {
          name: "add",
          parameters: {
            type: "object",
            properties: { a: {}, b: {} },
            required: ["a"],
            additionalProperties: false,
          },
        },
      },
    ]);
  });

  test("take zod or JSON Schema for parameters", () => {
    const parameters = z.object({ city: z.string().describe("a city"), days: z.int().optional() });
    const weather = functionTool({ name: "weather", description: "tells it", parameters, run: () => "" });
    const plain = Object.assign(
      function plain(args: { city: string }) {
        return args.city;
      },
      {
        description: "tells it",
        parameters: { type: "object", properties: { city: { type: "string" } } },
      },
    );
    expect(specsOf(weather, plain)).toMatchObject([
      {
        function: {
          name: "weather",
          description: "tells it",
          parameters: { properties: { city: { type: "string", description: "a city" } }, required: ["city"] },
        },
      },
      { function: { name: "plain", description: "tells it", parameters: plain.parameters } },
    ]);
  });

  test.each([
    ["stand twice", ["add", { name: "add", run: () => 1 }], /add stands in the list twice/],
    ["have no name", [() => 1], /anonymous/],
    [
      "take a pattern",
      [
        function f({ a }: { a: number }) {
          return a;
        },
      ],
      /f takes parameters whose names/,
    ],
    [
      "cannot be told",
      [{ name: "f", parameters: z.object({ a: z.instanceof(Map) }), run: () => 1 }],
      /f has param/,
    ],
    ["have no code", [{ name: "f" } as RunnerTool], /f has no `run`/],
  ] as [string, RunnerTool[], RegExp][])("are refused when they %s", (_, tools, message) => {
    expect(() => readTools(tools)).toThrow(
      expect.objectContaining({ code: "invalid_spec", message: expect.stringMatching(message) }),
    );
  });
});

describe("a call", () => {
  test("gives a plain function its arguments in its own order", async () => {
    const minus = (a: number, b: number) => a - b;
    expect(await callOne(minus, object({ b: 2, a: 5 }))).toMatchObject({
      result: 3,
      content: "3",
      isError: false,
    });
  });

  test("gives a function with a schema one object, as the schema parses it", async () => {
    const parameters = z.object({ n: z.number().default(7) });
    const tool = { name: "f", parameters, run: (args: Record<string, unknown>) => args };
    expect(await callOne(tool, object({ extra: 1 }))).toMatchObject({ result: { n: 7 } });
  });

  test("of what a helper defined is parsed and run by what the helper put on it", async () => {
    const tool = { type: "function", function: { name: "f", parameters: { type: "object" } } } as const;
    const definition = Object.defineProperties(
      { ...tool },
      {
        $callback: { value: (args: { n: number }) => args.n + 1 },
        $parseRaw: { value: (text: string) => z.object({ n: z.coerce.number() }).parse(JSON.parse(text)) },
      },
    );
    expect(await callOne(definition, object({ n: "4" }))).toMatchObject({ result: 5 });
    expect(readTools([tool]).local.size).toBe(0);
  });

  test.each([
    ["text as it is", "hi", "hi"],
    ["a value as JSON", { a: [1] }, '{"a":[1]}'],
    ["nothing as a sentence", undefined, "(The tool returned nothing.)"],
    ["an empty text as a sentence", "", "(The tool returned nothing.)"],
    ["a promise as what it gives", Promise.resolve(4), "4"],
  ])("tells the model %s", async (_, result, content) => {
    expect(await callOne({ name: "f", run: () => result }, object({}))).toMatchObject({
      content,
      isError: false,
    });
  });

  test("tells the model of what JSON cannot hold, and of invalid arguments", async () => {
    const tool = { name: "f", run: () => 1n };
    expect(await callOne(tool, object({}))).toMatchObject({
      isError: true,
      content: expect.stringMatching(/BigInt/),
    });
    expect(await callOne(tool, { kind: "invalid", raw: "{" })).toMatchObject({
      isError: true,
      content: expect.stringMatching(/JSON/),
    });
  });

  test("keeps the result within its bound, whole characters only", async () => {
    const tool = { name: "f", run: () => "😀".repeat(100) };
    const { content, result } = await callOne(tool, object({}), 101);
    expect(content.length).toBeLessThanOrEqual(101);
    expect(content.isWellFormed()).toBe(true);
    expect(content).toMatch(/^(😀)+\n\[Cut here: the text has 200 characters\.\]$/);
    expect(result).toHaveLength(200);
  });

  test("does not wait past its timeout, and the function hears of it", async () => {
    const heard = Promise.withResolvers<void>();
    const tool = functionTool({
      name: "slow",
      description: "never answers",
      parameters: z.object({}),
      timeoutMs: 5,
      run: (_, { signal }) => {
        signal.addEventListener("abort", () => heard.resolve());
        return new Promise(() => undefined);
      },
    });
    expect(await callOne(tool, object({}))).toMatchObject({
      isError: true,
      content: expect.stringMatching(/within 5 ms/),
    });
    await heard.promise;
  });

  test("that is aborted throws the signal's reason, whatever the function does", async () => {
    const stop = new AbortController();
    const tool = {
      name: "f",
      run: () => {
        stop.abort(new Error("enough"));
        throw new Error("broken by it");
      },
    };
    await expect(callOne(tool, object({}), 100, stop.signal)).rejects.toThrow("enough");
  });
});
