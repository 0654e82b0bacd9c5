import { parseRunSpec } from "@baton/core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { type RunParams, readFollowParams, readParams } from "./run-params.ts";

const specOf = (params: RunParams) => readParams({ input: "?", model: "openai/gpt", ...params }).spec;
const refusal = (message: RegExp) =>
  expect.objectContaining({ code: "invalid_spec", message: expect.stringMatching(message) });

describe("run parameters", () => {
  test("become a spec that parses, in the words of the spec", () => {
    const { spec } = readParams({
      instructions: "be brief",
      messages: [{ role: "user", content: "hello" }],
      model: ["openai/gpt", { model: "anthropic/claude", settings: { temperature: 0.1 } }],
      mcpServers: new Set(["docs"]),
      tools: ["lookup"],
      maxSteps: 7,
      maxHandoffs: 2,
      toolChoice: "required",
      responseFormat: { type: "json_object" },
      policy: "careful",
      budget: { tokens: 1_000 },
      timeout: 60,
      phaseTimeout: 20,
      callTimeout: 10,
      fallback: { models: ["xai/grok"], on_refusal: true },
      handoff: { context: "brief" },
      priority: 3,
      runAt: new Date("2030-01-02T03:04:05Z"),
      metadata: { team: "a" },
      temperature: 0.3,
      maxTokens: 100,
      topP: 0.9,
      seed: 4,
    });
    expect(parseRunSpec(spec)).toEqual({
      instructions: "be brief",
      messages: [{ role: "user", content: "hello" }],
      model: ["openai/gpt", { model: "anthropic/claude", settings: { temperature: 0.1 } }],
      mcp_servers: ["docs"],
      tools: ["lookup"],
      max_turns: 7,
      max_handoffs: 2,
      tool_choice: "required",
      response_format: { type: "json_object" },
      policy: "careful",
      budget: { tokens: 1_000 },
      timeout: 60,
      phase_timeout: 20,
      call_timeout: 10,
      fallback: { models: ["xai/grok"], on_refusal: true },
      handoff: { context: "brief" },
      priority: 3,
      run_at: "2030-01-02T03:04:05.000Z",
      metadata: { team: "a" },
      settings: { temperature: 0.3, max_output_tokens: 100, top_p: 0.9, seed: 4 },
    });
  });

  test("are taken in snake_case too, but not in both", () => {
    expect(specOf({ max_steps: 3, mcp_servers: "docs", max_tokens: 9, tool_choice: "none" })).toMatchObject({
      max_turns: 3,
      mcp_servers: ["docs"],
      settings: { max_output_tokens: 9 },
      tool_choice: "none",
    });
    expect(() => specOf({ max_steps: 3, maxSteps: 3 })).toThrow(refusal(/maxSteps is given twice/));
    expect(() => specOf({ maxSteps: 3, maxTurns: 3 })).toThrow(refusal(/maxSteps or maxTurns/));
  });

  test("that are null count as not given", () => {
    const { spec, options } = readParams({
      input: "?",
      model: "openai/gpt",
      temperature: null,
      tools: null,
      mcpServers: null,
      autoExecuteTools: null,
      stream: null,
    });
    expect(spec).toEqual({ input: "?", model: "openai/gpt" });
    expect(options).toMatchObject({ autoExecuteTools: true, stream: false });
  });

  test("that mean nothing here are refused, and not dropped", () => {
    const unknown = { frequencyPenalty: 1 } as RunParams;
    expect(() => specOf(unknown)).toThrow(refusal(/run\(\) takes no frequencyPenalty/));
    const settings = { model: "openai/gpt", settings: { attributes: {} } };
    expect(() => specOf({ model: settings } as RunParams)).toThrow(
      refusal(/openai\/gpt: there is no attributes/),
    );
    expect(() => specOf({ transport: "websocket" } as unknown as RunParams)).toThrow(refusal(/transport/));
  });

  test("of a model may be one object, as of the list", () => {
    expect(specOf({ model: { model: "openai/gpt", settings: { reasoning_effort: "low" } } })).toMatchObject({
      model: [{ model: "openai/gpt", settings: { effort: "low" } }],
    });
    expect(specOf({ model: { model: "openai/gpt", settings: null } })).toMatchObject({
      model: [{ model: "openai/gpt" }],
    });
  });

  test("of a pipeline name each phase's own", () => {
    const phases = [
      { name: "find", model: "openai/gpt", mcpServers: ["docs"], maxTurns: 2, settings: { top_p: 1 } },
    ];
    const { spec } = readParams({ input: "?", phases });
    expect(parseRunSpec(spec).phases).toEqual([
      { name: "find", model: "openai/gpt", mcp_servers: ["docs"], max_turns: 2, settings: { top_p: 1 } },
    ]);
  });

  test("ask for at least one step", () => {
    expect(specOf({ maxSteps: 0 })).toMatchObject({ max_turns: 1 });
  });

  test.each([
    [{ stop: "END" }, { stop: ["END"] }],
    [{ thinking: { type: "enabled", budget_tokens: 2_000 } }, { thinking: { budget_tokens: 2_000 } }],
    [{ thinking: { budgetTokens: 2_000 } }, { thinking: { budget_tokens: 2_000 } }],
    [{ thinking: { type: "disabled" } }, { thinking: "off" }],
    [{ thinking: "adaptive" }, { thinking: "adaptive" }],
    [{ parallelToolCalls: false }, { parallel_tool_calls: false }],
  ] as const)("give the settings %j as %j", (params, settings) => {
    const spec = specOf(params);
    expect(parseRunSpec(spec).settings).toEqual(settings);
  });

  test.each([
    ["auto", "auto"],
    [{ type: "any" }, "required"],
    [{ type: "none" }, "none"],
    [{ type: "tool", name: "add" }, { name: "add" }],
    [{ type: "function", function: { name: "add" } }, { name: "add" }],
    [{ name: "add" }, { name: "add" }],
  ])("take the tool choice %j for %j", (toolChoice, choice) => {
    expect(parseRunSpec(specOf({ toolChoice })).tool_choice).toEqual(choice);
  });

  test("take from a tool choice that calls are not to run at once", () => {
    expect(specOf({ toolChoice: { type: "auto", disable_parallel_tool_use: true } })).toMatchObject({
      tool_choice: "auto",
      settings: { parallel_tool_calls: false },
    });
  });
});

describe("the input", () => {
  test("may be messages, as in the reference", () => {
    const input = [{ role: "user", content: "hello" }];
    expect(readParams({ input, model: "openai/gpt" }).spec).toMatchObject({ messages: input });
  });

  test("may be content parts", () => {
    const input = [{ type: "text", text: "hello" }];
    expect(readParams({ input, model: "openai/gpt" }).spec).toMatchObject({ input });
  });

  test("is not given along with messages", () => {
    const messages = [{ role: "user", content: "hello" }];
    expect(() => specOf({ messages })).toThrow(refusal(/either input or messages/));
    expect(() => specOf({ input: messages, messages })).toThrow(refusal(/either input or messages/));
  });

  test("loses the system message that says the same as the instructions, and no other", () => {
    const { spec } = readParams({
      model: "openai/gpt",
      instructions: "be brief",
      input: [
        { role: "system", content: "be brief" },
        { role: "system", content: "be kind" },
        { role: "user", content: "be brief" },
      ],
    });
    expect(spec.messages).toEqual([
      { role: "system", content: "be kind" },
      { role: "user", content: "be brief" },
    ]);
  });
});

describe("what follow takes", () => {
  test("is how to go on here, and nothing of the spec", () => {
    const options = readFollowParams({ autoExecuteTools: false, response_format: z.string() });
    expect(options).toMatchObject({ autoExecuteTools: false, stream: false });
    expect(options.format.parse).toBeDefined();
    expect(() => readFollowParams({ model: "openai/gpt" } as object)).toThrow(
      refusal(/follow\(\) takes no model/),
    );
  });
});

test("returnIntent is taken, and warned of", () => {
  expect(readParams({ input: "?", model: "openai/gpt", returnIntent: true }).options.warnings).toHaveLength(
    1,
  );
});
