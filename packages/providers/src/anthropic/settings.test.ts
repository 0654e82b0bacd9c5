import type { ModelSettings } from "@baton/core";
import { describe, expect, test } from "vitest";
import { CLAUDE, CLAUDE_ADAPTIVE, log, request, user } from "../test-support/items.ts";
import { renderRequest } from "./render-request.ts";

const BUDGET: ModelSettings = { thinking: { budget_tokens: 2_000 } };

describe("settings", () => {
  const items = log(user("hi"));
  const render = (model: typeof CLAUDE, settings: ModelSettings, extra = {}) =>
    renderRequest(request(model, items, { settings, ...extra }));

  test("that the API no longer takes are dropped and told", () => {
    const { body, dropped } = render(CLAUDE, { temperature: 1, top_p: 1, seed: 1, verbosity: "low" });
    expect(Object.keys(body)).not.toEqual(expect.arrayContaining(["temperature"]));
    expect(dropped.map((each) => each.setting)).toEqual(["temperature", "top_p", "seed", "verbosity"]);
  });

  test("thinking is a budget on 4.5 and adaptive from 4.7 on, never the other", () => {
    expect(render(CLAUDE, { thinking: "adaptive" })).toMatchObject({
      body: expect.not.objectContaining({ thinking: expect.anything() }),
      dropped: [{ setting: "thinking" }],
    });
    expect(render(CLAUDE_ADAPTIVE, BUDGET)).toMatchObject({
      body: { thinking: { type: "adaptive" } },
      dropped: [{ setting: "thinking.budget_tokens" }],
    });
  });

  test("a thinking budget fits below max_tokens", () => {
    expect(render(CLAUDE, { thinking: { budget_tokens: 60_000 } }).body).toMatchObject({
      max_tokens: 64_000,
      thinking: { budget_tokens: 60_000 },
    });
    expect(render(CLAUDE, { thinking: { budget_tokens: 9_000 }, max_output_tokens: 4_000 })).toMatchObject({
      body: { max_tokens: 4_000, thinking: { budget_tokens: 3_999 } },
      dropped: [{ setting: "thinking.budget_tokens" }],
    });
    expect(render(CLAUDE, { ...BUDGET, max_output_tokens: 1_000 })).toMatchObject({
      body: expect.not.objectContaining({ thinking: expect.anything() }),
      dropped: [{ setting: "thinking" }],
    });
  });

  test("effort goes where it is taken, the most of it as the most that there is", () => {
    expect(render(CLAUDE, { effort: "max" }).body.output_config).toEqual({ effort: "high" });
    expect(render(CLAUDE_ADAPTIVE, { effort: "max" }).body.output_config).toEqual({ effort: "max" });
    const haiku = "anthropic/claude-haiku-4-5" as typeof CLAUDE;
    expect(render(haiku, { effort: "low" })).toMatchObject({ dropped: [{ setting: "effort" }] });
  });

  test("thinking is turned off in the words of each model", () => {
    const off = (model: string) => render(`anthropic/${model}` as typeof CLAUDE, { thinking: "off" });
    expect(off("claude-sonnet-5").body.thinking).toEqual({ type: "disabled" });
    expect(off("claude-sonnet-5-5").body.thinking).toEqual({ type: "between_tools" });
    expect(off("claude-opus-5-5")).toMatchObject({ dropped: [{ setting: "thinking" }] });
    expect(off("claude-opus-4-7").body.thinking).toBeUndefined();
  });

  test("a forced tool gives way to thinking that was asked for", () => {
    expect(render(CLAUDE, BUDGET, { toolChoice: "required" })).toMatchObject({
      body: expect.not.objectContaining({ tool_choice: { type: "any" } }),
      dropped: [{ setting: "tool_choice" }],
    });
    expect(render(CLAUDE, {}, { toolChoice: "required" }).body.tool_choice).toEqual({ type: "any" });
    expect(render(CLAUDE, {}, { toolChoice: { name: "look" } }).body.tool_choice).toEqual({
      type: "tool",
      name: "look",
    });
    const sonnet = "anthropic/claude-sonnet-5" as typeof CLAUDE;
    expect(render(sonnet, {}, { toolChoice: "required" }).body).toMatchObject({
      tool_choice: { type: "any" },
      thinking: { type: "disabled" },
    });
  });

  test("one call at a time is a part of the tool choice", () => {
    expect(render(CLAUDE, { parallel_tool_calls: false }).body.tool_choice).toEqual({
      type: "auto",
      disable_parallel_tool_use: true,
    });
  });

  test("a schema becomes output_config.format, in the form that the API takes", () => {
    const schema = { type: "object", properties: { n: { type: "number", minimum: 1 } } };
    const responseFormat = { type: "json_schema", json_schema: { name: "n", schema } } as const;
    expect(render(CLAUDE, {}, { responseFormat }).body.output_config?.format).toMatchObject({
      type: "json_schema",
      schema: { additionalProperties: false, properties: { n: { type: "number" } } },
    });
    const old = "anthropic/claude-sonnet-4-0" as typeof CLAUDE;
    const told = render(old, {}, { responseFormat });
    expect(told.body.output_config).toBeUndefined();
    expect(JSON.stringify(told.body.system)).toContain("minimum");
    expect(told.dropped).toMatchObject([{ setting: "response_format" }]);
  });

  test("max_tokens stays within what the model writes", () => {
    expect(render(CLAUDE, {}).body.max_tokens).toBe(32_000);
    expect(render(CLAUDE, { max_output_tokens: 900_000 })).toMatchObject({
      body: { max_tokens: 64_000 },
      dropped: [{ setting: "max_output_tokens" }],
    });
  });
});
