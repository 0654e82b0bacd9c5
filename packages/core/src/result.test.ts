import { describe, expect, test } from "vitest";
import { runIdSchema } from "./ids.ts";
import type { Item, NewItem, Part } from "./item.ts";
import { modelIdSchema } from "./model-id.ts";
import { finalOutput, isSettled, resultOf, runResultSchema } from "./result.ts";
import { type Run, runSchema } from "./run.ts";
import { NO_USAGE } from "./usage.ts";

const gpt = modelIdSchema.parse("openai/gpt");
const claude = modelIdSchema.parse("anthropic/claude");
const usage = { ...NO_USAGE, inputTokens: 10, cachedInputTokens: 4, outputTokens: 5, reasoningTokens: 1 };
const phase = (seq: number, model = gpt, more: object = {}) => ({
  ...{ seq, model, status: "succeeded", attempts: 1, turns: 1, usage, startedAt: 1_000, endedAt: 2_000 },
  ...more,
});
const runOf = (more: object): Run =>
  runSchema.parse({
    ...{ id: runIdSchema.parse(`r_0_${"0".repeat(26)}`), status: "succeeded", endedAt: 9, model: gpt },
    ...{
      ticket: 1,
      epoch: 1,
      items: 0,
      turns: 1,
      handoffs: 0,
      takeovers: 0,
      createdAt: 0,
      updatedAt: 0,
      usage,
    },
    phases: [phase(0)],
    ...more,
  });

const log = (...items: NewItem[]): Item[] =>
  items.map((item, seq) => ({ v: 1, seq, phase: 0, epoch: 1, at: 0, ...item }));
const says = (...parts: Part[]): NewItem => ({
  role: "assistant",
  parts,
  origin: { provider: "openai", api: "openai-chat", model: gpt },
});
const text = (value: string): Part => ({ type: "text", text: value });
const call = (name: string): Part => ({
  type: "tool_call",
  callId: name,
  name,
  arguments: { kind: "object", value: {} },
});

describe("a result", () => {
  test("tells the last text, the phases and what they used, in the wire's words", () => {
    const phases = [phase(0, gpt, { name: "find" }), phase(1, claude), phase(2, gpt)];
    const result = resultOf(
      runOf({ phases, customId: "line-1" }),
      log(says(text("first")), says(text("last"))),
    );
    expect(runResultSchema.parse(result)).toEqual(result);
    expect(result).toMatchObject({
      custom_id: "line-1",
      status: "succeeded",
      final_output: "last",
      models_used: ["openai/gpt", "anthropic/claude"],
      cost_usd: null,
    });
    expect(result.phases[0]).toEqual({
      seq: 0,
      name: "find",
      model: "openai/gpt",
      status: "succeeded",
      attempts: 1,
      turns: 1,
      started_at: "1970-01-01T00:00:01.000Z",
      ended_at: "1970-01-01T00:00:02.000Z",
      usage: result.usage,
      cost_usd: null,
    });
    expect(result.usage).toEqual({
      ...{ input_tokens: 10, cached_input_tokens: 4, cache_write_tokens: 0 },
      ...{ output_tokens: 5, reasoning_tokens: 1, total_tokens: 15 },
    });
  });

  test("names a model only when it answered", () => {
    const phases = [phase(0, gpt, { turns: 0, status: "failed" }), phase(1, claude)];
    expect(resultOf(runOf({ phases }), []).models_used).toEqual(["anthropic/claude"]);
  });

  test("names the tools that models called, once each, without handoffs and without what was submitted", () => {
    const submitted: NewItem = { role: "assistant", parts: [call("old")] };
    const items = log(
      submitted,
      says(call("b"), call("transfer_to_x")),
      says(call("a"), call("b")),
      says(text("x")),
    );
    expect(resultOf(runOf({}), items).tools_called).toEqual(["b", "a"]);
  });

  test("of a run that failed has its error and no output, whatever was said", () => {
    const error = { code: "budget", message: "used up" };
    const result = resultOf(runOf({ status: "failed", error }), log(says(text("half"))), { parseJson: true });
    expect(result).toMatchObject({ status: "failed", final_output: null, error });
    expect(result).not.toHaveProperty("output_parsed");
  });

  test("of a run that goes on has neither", () => {
    const result = resultOf(runOf({ status: "running", pausing: false }), log(says(text("so far"))));
    expect(result).toMatchObject({ status: "running", final_output: null });
    expect(result).not.toHaveProperty("error");
  });

  test("has parsed output only when it was asked for and is JSON", () => {
    const items = log(says(text('{"a":1}')));
    expect(resultOf(runOf({}), items, { parseJson: true }).output_parsed).toEqual({ a: 1 });
    expect(resultOf(runOf({}), items)).not.toHaveProperty("output_parsed");
    expect(resultOf(runOf({}), log(says(text("{a"))), { parseJson: true })).not.toHaveProperty(
      "output_parsed",
    );
  });

  test("costs what its run and its phases cost, which may not be known", () => {
    const phases = [
      { ...phase(0), costUsd: 0.25 },
      { ...phase(1, claude), costUsd: null },
    ];
    expect(resultOf(runOf({ phases, costUsd: null }), [])).toMatchObject({
      cost_usd: null,
      phases: [{ cost_usd: 0.25 }, { cost_usd: null }],
    });
    expect(resultOf(runOf({ phases: [], costUsd: 0.5 }), []).cost_usd).toBe(0.5);
  });

  test("says what a waiting run waits for", () => {
    const run = runOf({
      status: "waiting",
      reason: "approval",
      detail: "a person's word",
      endedAt: undefined,
    });
    expect(resultOf(run, []).waits_for).toEqual({ reason: "approval", detail: "a person's word" });
    expect(resultOf(runOf({}), [])).not.toHaveProperty("waits_for");
  });
});

test("the final output is the last assistant's text, if any", () => {
  expect(finalOutput(log(says(text("a")), says(call("b")), { role: "user", parts: [text("c")] }))).toBe("a");
  expect(finalOutput([])).toBe("");
});

test("a run is settled when it is over", () => {
  expect(isSettled(runOf({}))).toBe(true);
  expect(isSettled(runOf({ status: "waiting", reason: "paused" }))).toBe(false);
});
