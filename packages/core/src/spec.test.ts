import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BatonError } from "./error.ts";
import { modelsOf, parseRunSpec, SPEC_LIMITS } from "./spec.ts";

const MODEL = "openai/gpt";
const fields = (more: object) => ({ input: "?", model: MODEL, ...more });
const many = <Value>(count: number, make: (index: number) => Value) =>
  Array.from({ length: count }, (_, i) => make(i));
const user = { role: "user", content: "hello" };

describe("a spec is refused, and the field is named, with", () => {
  test.each([
    ["nothing", {}, /input: give either input or messages.*model: give either model/],
    ["both inputs", fields({ messages: [user] }), /input: give either input or messages/],
    ["both plans", fields({ phases: [{ model: MODEL }] }), /model: give either model .* or phases/],
    ["an empty input", fields({ input: "" }), /input: input is empty/],
    ["no parts", fields({ input: [] }), /input: /],
    ["too long an input", fields({ input: "x".repeat(SPEC_LIMITS.inputCharsMax + 1) }), /input: .*1000000/],
    ["no models", fields({ model: [] }), /model: the model list is empty/],
    [
      "a model twice",
      fields({ model: [MODEL, { model: MODEL }] }),
      /model: a model stands in the list twice/,
    ],
    ["too many models", fields({ model: many(17, (i) => `a/m${i}`) }), /model: .*16/],
    ["a model without provider", fields({ model: ["gpt"] }), /model\.0: a model id is provider\/model/],
    ["no phases", { input: "?", phases: [] }, /phases: the phase list is empty/],
    ["too many phases", { input: "?", phases: many(65, () => ({ model: MODEL })) }, /phases: .*64/],
    ["an unknown setting", fields({ settings: { top_k: 1 } }), /settings: .*top_k/],
    ["too hot a temperature", fields({ settings: { temperature: 2.1 } }), /settings\.temperature: .*2/],
    ["little to think with", fields({ settings: { thinking: { budget_tokens: 9 } } }), /thinking.*1024/],
    ["too many messages", { model: MODEL, messages: many(1_001, () => user) }, /messages: .*1000/],
    [
      "an assistant's last word",
      { model: MODEL, messages: [{ role: "assistant", content: "a" }] },
      /messages: the last/,
    ],
    ["an unknown role", { model: MODEL, messages: [{ role: "usr", content: "a" }] }, /messages\.0\.role: /],
    ["a message without content", { model: MODEL, messages: [{ role: "user" }] }, /messages\.0\.content: /],
    ["too many servers", fields({ mcp_servers: many(33, String) }), /mcp_servers: .*32/],
    ["too many tools", fields({ tools: many(129, String) }), /tools: .*128/],
    [
      "a tool's name with a blank",
      fields({ tools: [{ type: "function", function: { name: "a b" } }] }),
      /tools\.0\..*name/,
    ],
    ["an unknown tool choice", fields({ tool_choice: "always" }), /tool_choice: .*"auto"/],
    ["an unknown format", fields({ response_format: { type: "xml" } }), /response_format\.type: /],
    ["no turns", fields({ max_turns: 0 }), /max_turns: .*1/],
    ["half a turn", fields({ max_turns: 1.5 }), /max_turns: /],
    ["negative handoffs", fields({ max_handoffs: -1 }), /max_handoffs: .*0/],
    ["an empty budget", fields({ budget: { usd: 0 } }), /budget\.usd: .*0/],
    ["no time", fields({ timeout: 0 }), /timeout: .*0/],
    ["too much time", fields({ timeout: 31 * 86_400 }), /timeout: .*2592000/],
    ["an unknown context", fields({ handoff: { context: "some" } }), /handoff\.context: /],
    ["priority nought", fields({ priority: 0 }), /priority: .*1/],
    ["a time without zone", fields({ run_at: "2030-01-01T00:00:00" }), /run_at: /],
    [
      "too much metadata",
      fields({ metadata: Object.fromEntries(many(33, (i) => [`k${i}`, ""])) }),
      /metadata: .*32/,
    ],
    ["metadata that is no text", fields({ metadata: { a: 1 } }), /metadata\.a: /],
    ["a field that there is not", fields({ max_steps: 3 }), /max_steps/],
  ])("%s", (_, spec, message) => {
    const parsing = () => parseRunSpec(spec);
    expect(parsing).toThrow(BatonError);
    expect(parsing).toThrow(
      expect.objectContaining({
        code: "invalid_spec",
        retry: "never",
        message: expect.stringMatching(message),
      }),
    );
  });
});

test.each([["a"], [null], [[]], [undefined]])("%j is no spec", (value) => {
  expect(() => parseRunSpec(value)).toThrow(/^invalid run spec: /);
});

test("every bound may be reached", () => {
  const spec = {
    messages: many(1_000, () => user),
    model: many(16, (i) => `a/m${i}`),
    mcp_servers: many(32, String),
    tools: many(128, String),
    settings: { temperature: 2, top_p: 1, max_output_tokens: 1_000_000, stop: ["a", "b", "c", "d"] },
    max_turns: 1_000,
    max_handoffs: 1_000,
    timeout: 30 * 86_400,
    priority: 2_000_000,
    metadata: Object.fromEntries(many(32, (i) => [`k${i}`, "v".repeat(512)])),
  };
  expect(parseRunSpec(spec)).toEqual(spec);
});

const modelId = fc
  .tuple(fc.constantFrom("openai", "my-llm"), fc.stringMatching(/^[a-z0-9:/.-]{1,12}$/))
  .map(([provider, name]) => `${provider}/${name}`);
const settings = fc.record(
  {
    temperature: fc.double({ min: 0, max: 2, noNaN: true }).map((value) => value + 0),
    max_output_tokens: fc.integer({ min: 1, max: 1_000_000 }),
    effort: fc.constantFrom("minimal", "low", "medium", "high", "max"),
    verbosity: fc.constantFrom("low", "medium", "high"),
    thinking: fc.oneof(
      fc.constantFrom("off", "adaptive"),
      fc.integer({ min: 1024, max: 200_000 }).map((budget_tokens) => ({ budget_tokens })),
    ),
    stop: fc.array(fc.string({ minLength: 1 }), { maxLength: 4 }),
    seed: fc.integer(),
  },
  { requiredKeys: [] },
);
const choices = fc.uniqueArray(modelId, { minLength: 1, maxLength: 16 }).chain((ids) =>
  fc.tuple(
    ...ids.map((id) =>
      fc.oneof(
        fc.constant(id),
        settings.map((own) => ({ model: id, settings: own })),
      ),
    ),
  ),
);
const optional = fc.record(
  {
    instructions: fc.string(),
    settings,
    mcp_servers: fc.array(fc.string({ minLength: 1 }), { maxLength: 4 }),
    tools: fc.array(fc.string({ minLength: 1, maxLength: 64 }), { maxLength: 4 }),
    tool_choice: fc.oneof(fc.constantFrom("auto", "none", "required"), fc.constant({ name: "add" })),
    max_turns: fc.integer({ min: 1, max: 1_000 }),
    budget: fc.record({ tokens: fc.integer({ min: 1 }), usd: fc.constant(0.5) }, { requiredKeys: [] }),
    handoff: fc.record({ context: fc.constantFrom("full", "brief") }),
    run_at: fc
      .date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true })
      .map((at) => at.toISOString()),
    metadata: fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.string({ maxLength: 512 }), { maxKeys: 8 }),
  },
  { requiredKeys: [] },
);
const input = fc.oneof(
  fc.string({ minLength: 1 }).map((text) => ({ input: text })),
  fc.string().map((content) => ({ messages: [{ role: "user", content }] })),
);
const plan = fc.oneof(
  modelId.map((model) => ({ model })),
  choices.map((model) => ({ model })),
  fc
    .array(fc.record({ model: modelId, instructions: fc.string() }), { minLength: 1, maxLength: 4 })
    .map((phases) => ({ phases })),
);

test("any spec comes back from its JSON as it was parsed, and keeps what was given", () => {
  fc.assert(
    fc.property(input, plan, optional, (what, who, more) => {
      const given = { ...what, ...who, ...more };
      const parsed = parseRunSpec(given);
      expect(parsed).toEqual(given);
      expect(parseRunSpec(JSON.parse(JSON.stringify(parsed)))).toEqual(parsed);
      expect(modelsOf(parsed).length).toBeGreaterThan(0);
    }),
  );
});

describe("the models of a spec", () => {
  test("are those of its list in order, with their settings", () => {
    const spec = parseRunSpec(
      fields({ model: [MODEL, { model: "a/b", settings: { seed: 1 } }, { model: "c/d" }] }),
    );
    expect(modelsOf(spec)).toEqual([
      { model: MODEL, settings: {} },
      { model: "a/b", settings: { seed: 1 } },
      { model: "c/d", settings: {} },
    ]);
  });

  test("are those of its phases, each as often as it comes", () => {
    const phases = [{ model: MODEL }, { model: "a/b", settings: { seed: 1 } }, { model: MODEL }];
    expect(modelsOf(parseRunSpec({ input: "?", phases })).map(({ model }) => model)).toEqual([
      MODEL,
      "a/b",
      MODEL,
    ]);
  });
});

test("an MCP URL with a login in it is refused, in a phase too, and the login is not said again", () => {
  const login = "https://user:canary@example.com/mcp";
  const specs = [
    { input: "hi", model: "openai/gpt-5.2", mcp_servers: [login] },
    { input: "hi", phases: [{ model: "openai/gpt-5.2", mcp_servers: ["HTTPS://canary@example.com"] }] },
  ];
  for (const spec of specs) {
    expect(() => parseRunSpec(spec)).toThrow("a user name or password");
    expect(() => parseRunSpec(spec)).not.toThrow("canary");
  }
  expect(() =>
    parseRunSpec({ ...specs[0], mcp_servers: ["https://example.com/@user", "a:b@c"] }),
  ).not.toThrow();
});
