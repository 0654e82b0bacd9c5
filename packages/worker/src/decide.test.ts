import { type Item, itemSchema, parseRunSpec, type StopReason } from "@baton/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decide, type Step } from "./decide.ts";
import { decideOn, viewOf } from "./testing/decide-on.ts";
import { call, claude, gpt, handoff, log, reply, result, retried, started, user } from "./testing/log.ts";

const pipeline = (...phases: readonly object[]) => parseRunSpec({ input: "?", phases });
const idsOf = (step: Step) =>
  step.kind === "run_tools"
    ? [step.calls.map((one) => one.callId), step.unknown.map((one) => one.callId)]
    : step;

describe("the model is called", () => {
  test.each([
    ["at the beginning", log(user("go"))],
    [
      "when all of its calls are answered",
      log(user("go"), reply([call("a"), call("b")]), result("b"), result("a")),
    ],
    ["when the user has spoken after its reply", log(user("go"), reply([call("a")]), user("never mind"))],
    [
      "when its reply was paused by the server",
      log(user("go"), reply(["wait"], { stopReason: "pause_turn" })),
    ],
    ["when the last reply is of another phase", log(reply(["done"]), handoff(gpt), user("?", 1))],
  ])("%s", (name, items) => {
    const phase = name.includes("another phase") ? 1 : 0;
    expect(decideOn(items, { phase })).toEqual({ kind: "call_model" });
  });

  test("not for an assistant's message that was submitted", () => {
    const submitted = { ...reply([call("a")]), origin: undefined };
    expect(decideOn(log(submitted, result("a"), user("go")))).toEqual({ kind: "call_model" });
  });
});

describe("tools are run", () => {
  test("that have no result, in the order of the calls", () => {
    const items = log(reply([call("a"), call("b"), call("c")]), result("b"));
    expect(idsOf(decideOn(items))).toEqual([["a", "c"], []]);
  });

  test("but a call that was started is answered as unknown", () => {
    const items = log(reply([call("a"), call("b"), call("c")]), started("b"), started("a"), result("a"));
    expect(idsOf(decideOn(items))).toEqual([["c"], ["b"]]);
  });

  test("before a handoff of the same turn, and before the caller's own are waited for", () => {
    const items = log(reply([call("transfer_to_claude"), call("mine"), call("a")]));
    expect(idsOf(decideOn(items))).toEqual([["a"], []]);
  });

  test("as well when the reply came to its length with them", () => {
    expect(idsOf(decideOn(log(reply([call("a")], { stopReason: "length" }))))).toEqual([["a"], []]);
  });

  test("that nobody knows too: the host tells the model so", () => {
    expect(idsOf(decideOn(log(reply([call("transfer_to_nobody")]))))).toEqual([["transfer_to_nobody"], []]);
  });
});

describe("the run waits", () => {
  test("for the caller's own tools, until each has its result", () => {
    const asked = reply([call("mine", "m1"), call("mine", "m2")]);
    expect(decideOn(log(asked))).toEqual({ kind: "wait", reason: "client_tools" });
    expect(decideOn(log(asked, result("m1")))).toEqual({ kind: "wait", reason: "client_tools" });
    expect(decideOn(log(asked, result("m1"), result("m2")))).toEqual({ kind: "call_model" });
  });

  test("or ends with their calls open, where the caller goes on in a run of its own", () => {
    const spec = parseRunSpec({ input: "?", model: [gpt, claude], client_tools: "end" });
    const asked = reply([call("a"), call("mine", "m1")]);
    expect(idsOf(decideOn(log(asked), { spec }))).toEqual([["a"], []]);
    expect(decideOn(log(asked, result("a")), { spec })).toEqual({ kind: "succeed", notice: undefined });
  });

  test("instead of a model call when it is to pause, and tools are still run", () => {
    expect(decideOn(log(user("go")), { pausing: true })).toEqual({ kind: "wait", reason: "paused" });
    expect(idsOf(decideOn(log(reply([call("a")])), { pausing: true }))).toEqual([["a"], []]);
    expect(decideOn(log(reply(["done"])), { pausing: true }).kind).toBe("succeed");
  });
});

describe("control is handed off", () => {
  const asked = (args: Record<string, unknown>) => call("transfer_to_claude", "t", args);

  test("to the model that was asked for, with its reason and brief", () => {
    const step = decideOn(log(reply(["notes", asked({ reason: "prose", brief: "write it" })])));
    expect(step).toMatchObject({
      kind: "handoff",
      to: claude,
      by: "model",
      reason: "prose",
      brief: "write it",
      call: { callId: "t" },
      losers: [],
    });
  });

  test("once the other calls of the turn are answered", () => {
    const items = log(reply([asked({}), call("a"), call("mine")]), result("a"), result("mine"));
    expect(decideOn(items)).toMatchObject({ kind: "handoff", to: claude });
  });

  test("to the first of several, and the others lose", () => {
    const items = log(reply([asked({}), call("transfer_to_gpt_2", "u"), asked({})]));
    expect(decideOn(items)).toMatchObject({ to: claude, losers: [{ callId: "u" }, { callId: "t" }] });
  });

  test.each([
    ["nothing", {}, "", ""],
    ["no text", { reason: 5, brief: ["x"] }, "", ""],
  ])("with arguments of %s as well", (_, args, reason, brief) => {
    expect(decideOn(log(reply([asked(args)])))).toMatchObject({ kind: "handoff", reason, brief });
  });

  test("with arguments that are no JSON, given on as they are", () => {
    const broken = { ...call("transfer_to_claude"), arguments: { kind: "invalid" as const, raw: "write {" } };
    expect(decideOn(log(reply([broken])))).toMatchObject({ kind: "handoff", brief: "write {" });
  });

  test("no more often than the bound allows", () => {
    const items = log(reply([asked({})]));
    expect(decideOn(items, { handoffs: 2 }).kind).toBe("handoff");
    expect(decideOn(items, { handoffs: 3 })).toMatchObject({ kind: "fail", code: "max_handoffs" });
  });

  test("in a pipeline to the next step, which is told to go on when it has no instructions", () => {
    const spec = pipeline({ model: gpt }, { model: claude }, { model: gpt, instructions: "check it" });
    const first = log(reply(["found"]));
    expect(decideOn(first, { spec, transfers: new Map() })).toMatchObject({
      kind: "handoff",
      to: claude,
      by: "pipeline",
      brief: "Go on with the task from here.",
      call: undefined,
    });
    const second = log(
      reply(["found"]),
      handoff(claude, { by: "pipeline" }),
      reply(["written"], { phase: 1 }),
    );
    expect(decideOn(second, { spec, phase: 1 })).toMatchObject({ to: gpt, by: "pipeline", brief: "" });
    const third = [...second, ...log(handoff(gpt, { by: "pipeline" }, 1), reply(["checked"], { phase: 2 }))];
    expect(decideOn(third, { spec, phase: 2 })).toEqual({ kind: "succeed", notice: undefined });
  });
});

describe("the run ends", () => {
  test("well with a reply of text", () => {
    expect(decideOn(log(user("go"), reply(["done"])))).toEqual({ kind: "succeed", notice: undefined });
  });

  test("well, with a notice, when the text was cut", () => {
    expect(decideOn(log(reply(["half"], { stopReason: "length" })))).toMatchObject({
      kind: "succeed",
      notice: expect.stringContaining("cut"),
    });
  });

  test.each<[string, readonly string[], StopReason, string]>([
    ["a refusal", ["no"], "refusal", "refusal"],
    ["a content filter", ["ha"], "content_filter", "content_filter"],
    ["a context that is too long", [], "context_exceeded", "context_too_long"],
    ["no text", [], "end", "output_limit"],
    ["no text at the limit", [], "length", "output_limit"],
  ])("as failed with %s, and with the same code on every look", (_, texts, stopReason, code) => {
    const items = log(user("go"), reply(texts, { stopReason }));
    expect(decideOn(items)).toMatchObject({ kind: "fail", code, message: expect.stringContaining(gpt) });
    expect(decideOn(items)).toEqual(decideOn(items));
  });

  test("as failed when a step of a pipeline was cut, since the next would build on half", () => {
    const spec = pipeline({ model: gpt }, { model: claude });
    const items = log(reply(["half"], { stopReason: "length" }));
    expect(decideOn(items, { spec })).toMatchObject({ kind: "fail", code: "output_limit" });
  });

  test("as failed past the turns of the run or of the phase, but not with its last reply", () => {
    const turns = log(reply([call("a")]), result("a"), reply([call("b")]), result("b"));
    expect(decideOn(turns, { maxTurns: 3 })).toEqual({ kind: "call_model" });
    expect(decideOn(turns, { maxTurns: 2 })).toMatchObject({ kind: "fail", code: "max_turns" });
    expect(decideOn(log(reply(["done"])), { maxTurns: 1 }).kind).toBe("succeed");
    const spec = pipeline({ model: gpt, max_turns: 2 });
    expect(decideOn(turns, { spec })).toMatchObject({ kind: "fail", code: "max_turns" });
  });
});

describe("after an explicit retry", () => {
  test.each<[string, StopReason]>([
    ["a refusal", "refusal"],
    ["a content filter", "content_filter"],
    ["an empty reply", "end"],
  ])("of %s the model is asked again", (_, stopReason) => {
    const items = log(user("go"), reply([], { stopReason }), retried());
    expect(decideOn(items)).toEqual({ kind: "call_model" });
  });

  test("what fails anew fails again", () => {
    const items = log(reply([], { stopReason: "refusal" }), retried(), reply([], { stopReason: "refusal" }));
    expect(decideOn(items)).toMatchObject({ kind: "fail", code: "refusal" });
  });

  test("open calls are run, not asked for again", () => {
    expect(idsOf(decideOn(log(reply([call("a"), call("b")]), result("a"), retried())))).toEqual([["b"], []]);
  });

  test("turns are counted anew", () => {
    const items = log(reply([call("a")]), result("a"), reply([call("b")]), result("b"), retried());
    expect(decideOn(items, { maxTurns: 2 })).toEqual({ kind: "call_model" });
    const more = [...items, ...log(reply([call("c")]), result("c"), reply([call("d")]), result("d"))];
    expect(decideOn(more, { maxTurns: 2 })).toMatchObject({ kind: "fail", code: "max_turns" });
  });

  test("past the handoffs the model is asked to end it itself", () => {
    const items = log(reply([call("transfer_to_claude")]), retried());
    expect(decideOn(items, { handoffs: 3 })).toEqual({ kind: "call_model" });
  });
});

const NAMES = ["a", "b", "mine", "transfer_to_claude", "transfer_to_gpt_2", "transfer_to_nobody"] as const;
const anyReply = fc
  .tuple(
    fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), fc.nat({ max: 2 })), {
      maxLength: 5,
      selector: ([name, place]) => `${name}${place}`,
    }),
    fc.constantFrom<StopReason>("end", "tool_use", "length", "refusal", "pause_turn"),
    fc.nat({ max: 1 }),
    fc.string({ maxLength: 3 }),
  )
  .map(([calls, stopReason, phase, text]) =>
    reply([text, ...calls.map(([name, place]) => call(name, `${name}${place}`))], { stopReason, phase }),
  );
const anyCallId = fc
  .tuple(fc.constantFrom(...NAMES), fc.nat({ max: 2 }))
  .map(([name, place]) => `${name}${place}`);
const anyItem = fc.oneof(
  { weight: 3, arbitrary: anyReply },
  { weight: 4, arbitrary: anyCallId.map((id) => result(id)) },
  { weight: 2, arbitrary: anyCallId.map((id) => started(id)) },
  fc.constantFrom(user("x"), retried(), handoff(claude)),
);
const anyView = fc
  .tuple(
    fc.array(anyItem, { maxLength: 12 }),
    fc.nat({ max: 1 }),
    fc.nat({ max: 4 }),
    fc.boolean(),
    fc.boolean(),
  )
  .map(([drafts, phase, handoffs, pausing, piped]) => {
    const spec = piped ? { spec: pipeline({ model: gpt, max_turns: 2 }, { model: claude }) } : {};
    return viewOf(log(...drafts), { phase, handoffs, pausing, maxTurns: 4, ...spec });
  });

describe("whatever the conversation", () => {
  const lastReply = (items: readonly Item[]) => items.findLastIndex((item) => item.origin !== undefined);

  test("no call is run that was answered, none again that was started, and only calls of the last reply", () => {
    fc.assert(
      fc.property(anyView, (view) => {
        const step = decide(view);
        if (step.kind !== "run_tools") return;
        const at = lastReply(view.items);
        const asked = view.items[at]?.parts.flatMap((part) =>
          part.type === "tool_call" ? [part.callId] : [],
        );
        const later = view.items.slice(at + 1).flatMap((item) => item.parts);
        const answered = later.flatMap((part) => (part.type === "tool_result" ? [part.callId] : []));
        const marked = later.flatMap((part) => (part.type === "tool_started" ? [part.callId] : []));
        for (const { callId, name } of [...step.calls, ...step.unknown]) {
          expect(asked).toContain(callId);
          expect(answered).not.toContain(callId);
          expect(view.clientTools.has(name) || view.transfers.has(name)).toBe(false);
        }
        for (const { callId } of step.calls) expect(marked).not.toContain(callId);
        for (const { callId } of step.unknown) expect(marked).toContain(callId);
        expect(step.calls.length + step.unknown.length).toBeGreaterThan(0);
      }),
      { numRuns: 1_000 },
    );
  });

  test("a worker that reads the log again decides the same", () => {
    fc.assert(
      fc.property(anyView, (view) => {
        const before = JSON.stringify(view.items);
        const step = decide(view);
        expect(JSON.stringify(view.items)).toBe(before);
        const read = view.items.map((item) => itemSchema.parse(JSON.parse(JSON.stringify(item))));
        expect(decide({ ...view, items: read })).toEqual(step);
      }),
    );
  });

  test("the model is never called past its bounds, with open calls of its reply, or while pausing", () => {
    fc.assert(
      fc.property(anyView, (view) => {
        if (decide(view).kind !== "call_model") return;
        expect(view.pausing).toBe(false);
        const at = lastReply(view.items);
        const later = view.items.slice(at + 1);
        const isAsidePast = later.some((item) => item.role === "user" || item.parts[0]?.type === "record");
        if (view.items[at]?.phase !== view.phase || isAsidePast) return;
        // A retry lets the run take as many turns again.
        const retriedAt = view.items.findLastIndex(({ parts }) => parts[0]?.type === "record");
        const turns = view.items.slice(retriedAt + 1).filter((item) => item.origin !== undefined).length;
        expect(turns).toBeLessThan(view.maxTurns);
        const answered = later.flatMap(({ parts }) =>
          parts.flatMap((part) => (part.type === "tool_result" ? [part.callId] : [])),
        );
        for (const part of view.items[at]?.parts ?? []) {
          if (part.type === "tool_call") expect(answered).toContain(part.callId);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
