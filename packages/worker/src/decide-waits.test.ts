/** What comes next where people, money or another model have a say: approval, budget, fallback, fork. */
import { parseRunSpec } from "@baton/core";
import { describe, expect, test } from "vitest";
import { decideOn } from "./testing/decide-on.ts";
import { call, claude, gpt, handoff, log, record, reply, result, started, user } from "./testing/log.ts";

const specOf = (more: object) => parseRunSpec({ input: "?", model: [gpt, claude], ...more });

describe("a call that needs approval", () => {
  const send = call("send", "s");
  const pay = call("pay", "p");

  test("waits for a person's word, with all others that do", () => {
    expect(decideOn(log(reply([send, pay])))).toEqual({
      kind: "wait",
      reason: "approval",
      calls: [send, pay],
    });
  });

  test("waits until the calls that need none are answered", () => {
    const asked = reply([send, call("a")]);
    expect(decideOn(log(asked))).toMatchObject({ kind: "run_tools", calls: [{ callId: "a" }], unknown: [] });
    expect(decideOn(log(asked, result("a")))).toMatchObject({ kind: "wait", calls: [{ callId: "s" }] });
  });

  test("is run once it is approved, and those that are not keep waiting", () => {
    const items = log(
      reply([send, pay]),
      record("ask", { calls: ["s", "p"] }),
      record("approve", { calls: ["p"] }),
    );
    const step = decideOn(items);
    expect(step).toMatchObject({ kind: "run_tools", calls: [{ callId: "p" }] });
    expect(step.kind === "run_tools" && [...step.approved]).toEqual(["p"]);
    const after = [...items, ...log(result("p"))];
    expect(decideOn(after)).toMatchObject({ kind: "wait", reason: "approval", calls: [{ callId: "s" }] });
  });

  test("that was approved and started is answered as unknown, not run again", () => {
    const items = log(reply([send]), record("approve", { calls: ["s"] }), started("s"));
    expect(decideOn(items)).toMatchObject({ kind: "run_tools", calls: [], unknown: [{ callId: "s" }] });
  });

  test("that was rejected has its result, and the model goes on", () => {
    const items = log(reply([send]), record("reject", { calls: ["s"] }), result("s"));
    expect(decideOn(items)).toEqual({ kind: "call_model" });
  });

  test("is not approved by a word on the call of an earlier reply that had the same id", () => {
    const items = log(reply([send]), record("approve", { calls: ["s"] }), result("s"), reply([send]));
    expect(decideOn(items)).toMatchObject({ kind: "wait", reason: "approval" });
  });

  test("asks nobody when it cannot run: its arguments are no JSON", () => {
    const broken = { ...send, arguments: { kind: "invalid", raw: "{" } } as const;
    expect(decideOn(log(reply([broken])))).toMatchObject({ kind: "run_tools", calls: [{ callId: "s" }] });
  });

  test("comes before the caller's own tools, and both before a handoff", () => {
    const asked = reply([call("transfer_to_claude", "t"), call("mine", "m"), send]);
    expect(decideOn(log(asked))).toMatchObject({
      kind: "wait",
      reason: "approval",
      calls: [{ callId: "s" }],
    });
    expect(decideOn(log(asked, result("s")))).toEqual({ kind: "wait", reason: "client_tools" });
    expect(decideOn(log(asked, result("s"), result("m")))).toMatchObject({ kind: "handoff", to: claude });
  });
});

describe("a spent budget", () => {
  const spec = specOf({ budget: { tokens: 10 } });

  test("stops the next call, and says why", () => {
    const items = log(user("go"), reply([call("a")], { tokens: 10 }), result("a"));
    expect(decideOn(items, { spec })).toEqual({
      kind: "wait",
      reason: "budget",
      detail: "the run spent 10 of its 10 tokens: resume it with a larger token budget",
    });
  });

  test("keeps no tool of the reply that was paid from running, and no end from being one", () => {
    expect(decideOn(log(reply([call("a")], { tokens: 99 })), { spec }).kind).toBe("run_tools");
    expect(decideOn(log(reply(["done"], { tokens: 99 })), { spec }).kind).toBe("succeed");
  });

  test("yields to a pause and to the bounds, which more money would not lift", () => {
    const items = log(reply([call("a")], { tokens: 99 }), result("a"));
    expect(decideOn(items, { spec, pausing: true })).toEqual({ kind: "wait", reason: "paused" });
    expect(decideOn(items, { spec, maxTurns: 1 })).toMatchObject({ kind: "fail", code: "max_turns" });
  });

  test("that was raised lets the run go on where it was", () => {
    const items = log(
      reply([call("a")], { tokens: 10 }),
      result("a"),
      record("resume", { budget: { tokens: 11 } }),
    );
    expect(decideOn(items, { spec })).toEqual({ kind: "call_model" });
  });
});

test("a spent budget of the batch is told apart from one of the run's own, which raising the batch's does not lift", () => {
  const items = log(reply([call("a")], { tokens: 99 }), result("a"));
  const batch = { id: "b", spent: true, inUsd: false };
  expect(decideOn(items, { batch })).toMatchObject({ reason: "budget", ofBatch: true });
  const own = decideOn(items, { batch, spec: specOf({ budget: { tokens: 10 } }) });
  expect(own).toMatchObject({ reason: "budget" });
  expect(own).not.toHaveProperty("ofBatch");
  const unpriced = { batch: { ...batch, spent: false, inUsd: true }, isPriced: () => false };
  expect(decideOn(items, unpriced)).not.toHaveProperty("ofBatch");
});

describe("a reply that another model may do better", () => {
  const spec = specOf({ fallback: { models: [claude], on_refusal: true } });
  const refused = reply(["no"], { stopReason: "refusal" });

  test.each([
    ["a refusal", "refusal"],
    ["a filtered reply", "content_filter"],
    ["a conversation that is too long", "context_exceeded"],
  ] as const)("falls back: %s", (_, stopReason) => {
    expect(decideOn(log(reply([""], { stopReason })), { spec })).toMatchObject({
      kind: "handoff",
      to: claude,
      by: "fallback",
    });
  });

  test("falls back past the handoffs that the run may make", () => {
    expect(decideOn(log(refused), { spec, handoffs: 3 }).kind).toBe("handoff");
  });

  test("does not for what the run's own bounds ended", () => {
    const items = log(reply([call("a")]), result("a"));
    expect(decideOn(items, { spec, maxTurns: 1 })).toMatchObject({ kind: "fail", code: "max_turns" });
    expect(decideOn(log(reply([])), { spec })).toMatchObject({ kind: "fail", code: "output_limit" });
  });

  test("fails with the last error when nobody is left", () => {
    const items = log(refused, handoff(claude, { by: "fallback" }), { ...refused, phase: 1 });
    expect(decideOn(items, { spec, phase: 1, model: claude })).toMatchObject({
      kind: "fail",
      code: "refusal",
      message: `${claude} refused to answer`,
    });
  });

  test("asks the same model anew after a retry", () => {
    expect(decideOn(log(refused, record("retry")), { spec })).toEqual({ kind: "call_model" });
  });

  test("leaves the pipeline in the step that it was in", () => {
    const phases = [
      { model: gpt, fallback: [claude] },
      { model: gpt, name: "last" },
    ];
    const piped = parseRunSpec({ input: "?", phases });
    const items = log(
      user("go"),
      handoff(claude, { by: "fallback" }),
      reply(["x"], { phase: 1, model: claude }),
    );
    expect(decideOn(items, { spec: piped, phase: 1, model: claude })).toMatchObject({
      kind: "handoff",
      to: gpt,
      by: "pipeline",
    });
  });
});

describe("a fork", () => {
  const done = log(user("go"), reply(["done"]), record("fork"));

  test("of an answer that failed asks again; turns are counted from it on", () => {
    const failed = log(user("go"), reply(["no"], { stopReason: "refusal" }), record("fork"));
    expect(decideOn(failed)).toEqual({ kind: "call_model" });
    const many = log(reply([call("a")]), result("a"), reply([call("b")]), result("b"), record("fork"));
    expect(decideOn(many, { maxTurns: 1 })).toEqual({ kind: "call_model" });
  });

  test("in another model's phase lets that model speak", () => {
    expect(decideOn(done, { phase: 1, model: claude })).toEqual({ kind: "call_model" });
  });

  test("with a user's word lets the model answer it", () => {
    expect(decideOn([...done, ...log(user("and then?"))])).toEqual({ kind: "call_model" });
  });

  test("runs no call that its first items have open behind the user's word", () => {
    const items = log(reply([call("a")]), user("never mind"), record("fork"));
    expect(decideOn(items)).toEqual({ kind: "call_model" });
  });
});
