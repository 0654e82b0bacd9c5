import { parseConfig, parseRunSpec } from "@baton/core";
import { describe, expect, test } from "vitest";
import { endOf } from "./end-phase.ts";
import { planPhase } from "./phase-plan.ts";
import { call, claude, gpt } from "./testing/log.ts";

const planOf = (spec: object = {}) =>
  planPhase(
    {
      spec: parseRunSpec({ input: "?", model: [gpt, claude], ...spec }),
      items: [],
      held: { claim: { pool: gpt } },
    },
    parseConfig({}, "test"),
  );
const step = {
  kind: "handoff",
  to: claude,
  by: "model",
  reason: "prose",
  brief: "write",
  losers: [],
} as const;

describe("a handoff", () => {
  test("answers the call, then says the brief to the next model as a user", () => {
    const { outcome, items, events } = endOf({ ...step, call: call("transfer", "t") }, planOf());
    expect(outcome).toEqual({ kind: "handoff", pool: claude, failed: false });
    expect(items).toEqual([
      {
        role: "tool",
        parts: [
          {
            type: "tool_result",
            callId: "t",
            name: "transfer",
            isError: false,
            content: [{ type: "text", text: "Control was handed over to anthropic/claude." }],
          },
        ],
      },
      {
        role: "user",
        parts: [
          {
            type: "handoff",
            from: gpt,
            to: claude,
            reason: "prose",
            brief: "write",
            context: "full",
            by: "model",
          },
        ],
      },
    ]);
    expect(events).toEqual([{ type: "handoff", from: gpt, to: claude, reason: "prose" }]);
  });

  test("answers the transfers that lost as well, each as an error", () => {
    const losers = [call("transfer", "u"), call("transfer", "v")];
    const { items } = endOf({ ...step, call: call("transfer", "t"), losers }, planOf());
    expect(items.slice(0, -1).map(({ parts: [part] }) => part)).toMatchObject([
      { callId: "t", isError: false },
      { callId: "u", isError: true, content: [{ text: expect.stringContaining(claude) }] },
      { callId: "v", isError: true },
    ]);
    expect(items.at(-1)?.role).toBe("user");
  });

  test("of a pipeline or a policy answers no call", () => {
    const { items } = endOf({ ...step, by: "pipeline", call: undefined }, planOf());
    expect(items).toMatchObject([{ role: "user", parts: [{ type: "handoff", by: "pipeline" }] }]);
  });

  test("passes on its brief alone when the run says so", () => {
    const { items } = endOf({ ...step, call: undefined }, planOf({ handoff: { context: "brief" } }));
    expect(items[0]?.parts[0]).toMatchObject({ context: "brief" });
  });
});

describe("a fallback", () => {
  test("passes on the whole conversation, though handoffs of the run pass on a brief", () => {
    const plan = planOf({ handoff: { context: "brief" } });
    const { outcome, items } = endOf({ ...step, by: "fallback", call: undefined }, plan);
    expect(outcome).toEqual({ kind: "handoff", pool: claude, failed: true });
    expect(items[0]?.parts[0]).toMatchObject({ type: "handoff", by: "fallback", context: "full" });
  });
});

describe("a wait", () => {
  test("for approval records which calls are asked for, and names their tools once each", () => {
    const calls = [call("send", "s1"), call("send", "s2"), call("pay", "p")];
    expect(endOf({ kind: "wait", reason: "approval", calls }, planOf())).toEqual({
      outcome: { kind: "wait", reason: "approval", detail: "a person's word on the call of send, pay" },
      items: [
        { role: "control", parts: [{ type: "record", act: "ask", detail: { calls: ["s1", "s2", "p"] } }] },
      ],
      events: [],
    });
  });

  test("for a budget says why to those who look and to those who watch, and writes nothing", () => {
    expect(endOf({ kind: "wait", reason: "budget", detail: "all spent" }, planOf())).toEqual({
      outcome: { kind: "wait", reason: "budget", detail: "all spent" },
      items: [],
      events: [{ type: "notice", code: "budget", message: "all spent" }],
    });
  });

  test("for a pause writes nothing", () => {
    expect(endOf({ kind: "wait", reason: "paused" }, planOf())).toEqual({
      outcome: { kind: "wait", reason: "paused" },
      items: [],
      events: [],
    });
  });
});

describe("an end", () => {
  test("that waits says for what, and writes nothing", () => {
    expect(endOf({ kind: "wait", reason: "client_tools" }, planOf())).toEqual({
      outcome: { kind: "wait", reason: "client_tools" },
      items: [],
      events: [],
    });
  });

  test("in success tells a notice to those who watch, if there is one", () => {
    expect(endOf({ kind: "succeed", notice: undefined }, planOf())).toEqual({
      outcome: { kind: "succeeded" },
      items: [],
      events: [],
    });
    expect(endOf({ kind: "succeed", notice: "cut" }, planOf()).events).toEqual([
      { type: "notice", code: "output_limit", message: "cut" },
    ]);
  });

  test("in failure has its code and sentence", () => {
    expect(endOf({ kind: "fail", code: "refusal", message: "no" }, planOf()).outcome).toEqual({
      kind: "failed",
      code: "refusal",
      message: "no",
    });
  });
});
