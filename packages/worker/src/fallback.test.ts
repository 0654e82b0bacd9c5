/** Who takes over when a model failed for good. */
import { modelIdSchema, parseRunSpec } from "@baton/core";
import { describe, expect, test } from "vitest";
import { type FallbackView, fallbackStep } from "./fallback.ts";
import { claude, gpt, handoff, log, record, reply, retried, user } from "./testing/log.ts";

const grok = modelIdSchema.parse("xai/grok");
const failure = { code: "provider_overloaded", message: "busy" };

function viewOf(fallback: unknown, more: Partial<FallbackView> = {}): FallbackView {
  const spec = parseRunSpec({ input: "?", model: gpt, ...(fallback === undefined ? {} : { fallback }) });
  return { spec, items: log(user("go")), model: gpt, ...more };
}

const nextOf = (view: FallbackView, code: string = failure.code) => {
  const step = fallbackStep(view, { ...failure, code });
  return step?.kind === "handoff" ? step.to : step;
};

test("control passes to the first of the list, and the handoff says why", () => {
  expect(fallbackStep(viewOf([claude, grok]), failure)).toEqual({
    kind: "handoff",
    to: claude,
    by: "fallback",
    reason: "openai/gpt failed: provider_overloaded",
    brief: "Go on with the task from here.",
    call: undefined,
    losers: [],
  });
});

describe("there is no fallback", () => {
  test("without a list, or with an empty one", () => {
    expect(nextOf(viewOf(undefined))).toBeUndefined();
    expect(nextOf(viewOf([]))).toBeUndefined();
  });

  test.each([
    "max_turns",
    "max_handoffs",
    "policy_stopped",
    "output_limit",
    "phase_timeout",
    "internal",
    "missing_key",
  ])("for %s: another model would meet it too", (code) => {
    expect(nextOf(viewOf([claude]), code)).toBeUndefined();
    expect(nextOf(viewOf({ models: [claude], on_refusal: true }), code)).toBeUndefined();
  });

  test("to the model that failed itself", () => {
    expect(nextOf(viewOf([gpt]))).toBeUndefined();
    expect(nextOf(viewOf([gpt, claude]))).toBe(claude);
  });
});

test.each([
  "provider_unreachable",
  "provider_timeout",
  "provider_rate_limited",
  "provider_auth",
  "provider_rejected",
  "provider_protocol",
  "context_too_long",
])("%s falls back", (code) => {
  expect(nextOf(viewOf([claude]), code)).toBe(claude);
});

test.each(["refusal", "content_filter"])("a %s falls back where the spec says so alone", (code) => {
  expect(nextOf(viewOf([claude]), code)).toBeUndefined();
  expect(nextOf(viewOf({ models: [claude] }), code)).toBeUndefined();
  expect(nextOf(viewOf({ models: [claude], on_refusal: true }), code)).toBe(claude);
});

describe("the list is walked once", () => {
  const first = handoff(claude, { by: "fallback" });
  const second = handoff(grok, { from: claude, by: "fallback" }, 1);

  test("to its end", () => {
    const list = [claude, grok];
    expect(nextOf(viewOf(list, { items: log(user("go"), first), model: claude }))).toBe(grok);
    expect(nextOf(viewOf(list, { items: log(user("go"), first, second), model: grok }))).toBeUndefined();
  });

  test("without going back to the model that failed first, though it is in the list", () => {
    const items = log(user("go"), first);
    expect(nextOf(viewOf([claude, gpt], { items, model: claude }))).toBeUndefined();
  });

  test("and anew after a handoff of another kind", () => {
    const items = log(user("go"), first, handoff(gpt, { from: claude }, 1));
    expect(nextOf(viewOf([claude], { items, model: gpt }))).toBe(claude);
  });

  test.each(["retry", "fork"] as const)("and anew after a %s", (act) => {
    const items = log(user("go"), first, record(act, {}, 1));
    expect(nextOf(viewOf([claude, gpt], { items, model: claude }))).toBe(gpt);
  });

  test("where a reply in between changes nothing", () => {
    const items = log(user("go"), first, reply(["half"], { phase: 1, model: claude }));
    expect(nextOf(viewOf([claude, grok], { items, model: claude }))).toBe(grok);
  });
});

describe("in a pipeline", () => {
  const spec = parseRunSpec({
    input: "?",
    phases: [{ model: gpt }, { model: claude, fallback: [grok] }],
    fallback: [claude],
  });

  test("a step's own list goes over the run's", () => {
    const items = log(user("go"), handoff(claude, { by: "pipeline" }));
    expect(nextOf({ spec, items: log(user("go")), model: gpt })).toBe(claude);
    expect(nextOf({ spec, items, model: claude })).toBe(grok);
  });

  test("who stepped in during an earlier step may be asked again in the next", () => {
    const three = parseRunSpec({ input: "?", phases: [{ model: gpt }, { model: gpt }], fallback: [claude] });
    const items = log(
      user("go"),
      handoff(claude, { by: "fallback" }),
      handoff(gpt, { from: claude, by: "pipeline" }, 1),
    );
    expect(nextOf({ spec: three, items, model: gpt })).toBe(claude);
  });
});

test("a retry gives the model that failed the same list again", () => {
  expect(nextOf(viewOf([claude], { items: log(user("go"), retried()) }))).toBe(claude);
});
