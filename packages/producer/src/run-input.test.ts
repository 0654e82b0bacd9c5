import {
  type Item,
  modelIdSchema,
  NO_USAGE,
  type Part,
  parseRunSpec,
  type Run,
  runIdSchema,
} from "@baton/core";
import { describe, expect, test } from "vitest";
import { closingItems, inputItems, openCalls, parseRunInput, type RunInput } from "./run-input.ts";

const model = modelIdSchema.parse("openai/gpt");
const spec = parseRunSpec({
  input: "?",
  model: "openai/gpt",
  tools: ["lookup", { type: "function", function: { name: "mine" } }],
});

const call = (name: string, callId: string): Part => ({
  type: "tool_call",
  callId,
  name,
  arguments: { kind: "object", value: {} },
});
const result = (callId: string): Part => ({
  type: "tool_result",
  callId,
  name: "x",
  isError: false,
  content: [],
});

const item = (role: Item["role"], ...parts: Part[]): Omit<Item, "seq"> => ({
  ...{ v: 1, phase: 2, epoch: 4, at: 0, role, parts },
  ...(role === "assistant" ? { origin: { provider: "openai", api: "openai-chat", model } } : {}),
});
const log = (...items: Omit<Item, "seq">[]): Item[] => items.map((one, seq) => ({ seq, ...one }));

const run: Run = {
  ...{ id: runIdSchema.parse(`r_0_${"0".repeat(26)}`), status: "waiting", reason: "client_tools", model },
  ...{
    ticket: 3,
    epoch: 9,
    items: 7,
    turns: 1,
    handoffs: 0,
    takeovers: 0,
    failures: 0,
    costUsd: 0,
    createdAt: 0,
    updatedAt: 0,
  },
  usage: NO_USAGE,
  costUsd: 0,
  phases: [{ seq: 2, model, status: "waiting", attempts: 1, turns: 1, usage: NO_USAGE, costUsd: 0 }],
};

const itemsOf = (tail: readonly Item[], input: RunInput) =>
  inputItems(run, spec, tail, parseRunInput(input), 5);
const answer = (id: string, more: object = {}) => ({ tool_call_id: id, content: "yes", ...more });

describe("open calls", () => {
  test("are those of the last reply that have no result, in its order", () => {
    const items = log(
      item("assistant", call("mine", "old")),
      item("assistant", call("lookup", "a"), call("mine", "b"), call("mine", "c")),
      item("tool", result("b")),
    );
    expect(openCalls(items).map(({ callId }) => callId)).toEqual(["a", "c"]);
  });

  test("are none once the user has spoken, or before any reply", () => {
    expect(openCalls(log(item("assistant", call("mine", "a")), item("user")))).toEqual([]);
    const submitted = { ...item("assistant", call("mine", "a")), origin: undefined };
    expect(openCalls(log(submitted))).toEqual([]);
    expect(openCalls([])).toEqual([]);
  });
});

describe("an input", () => {
  const waiting = log(item("assistant", call("mine", "a"), call("mine", "b"), call("transfer_to_x", "t")));

  test("with results continues the log where the run's record ends, one item a result", () => {
    const place = { v: 1, phase: 2, epoch: 9, at: 5, role: "tool" };
    const content = [{ type: "text", text: "yes" }];
    const part = { type: "tool_result", name: "mine", content };
    expect(itemsOf(waiting, { tool_results: [answer("b", { is_error: true }), answer("a")] })).toEqual([
      { ...place, seq: 7, parts: [{ ...part, callId: "b", isError: true }] },
      { ...place, seq: 8, parts: [{ ...part, callId: "a", isError: false }] },
    ]);
  });

  test.each([
    ["an unknown call", [answer("zzz")]],
    ["a call of another tool", [answer("t")]],
    ["one call twice", [answer("a"), answer("a")]],
  ])("with a result of %s is refused", (_, tool_results) => {
    expect(() => itemsOf(waiting, { tool_results })).toThrow(
      expect.objectContaining({ code: "invalid_spec" }),
    );
  });

  test("with a message is refused while a call of the caller's waits", () => {
    expect(() => itemsOf(waiting, { message: "go on", tool_results: [answer("a")] })).toThrow(
      /waits for results of b/,
    );
  });

  test("with a message closes what nobody answers any more, then speaks", () => {
    const items = itemsOf(waiting, { message: "go on", tool_results: [answer("a"), answer("b")] });
    expect(
      items.map(({ role, parts: [part] }) => [role, part?.type === "tool_result" ? part.callId : ""]),
    ).toEqual([
      ["tool", "a"],
      ["tool", "b"],
      ["tool", "t"],
      ["user", ""],
    ]);
    expect(items[2]?.parts[0]).toMatchObject({ isError: true });
  });

  test.each([
    ["nothing", {}, /give tool_results, a message, or both/],
    ["an empty message", { message: "" }, /message is empty/],
    ["no results", { tool_results: [] }, /tool_results: the list is empty/],
    ["an unknown field", { results: [] }, /results/],
    ["a result without an id", { tool_results: [{ content: "x" }] }, /tool_results.0.tool_call_id/],
  ])("of %s is refused, and says what is wrong", (_, input, message) => {
    expect(() => parseRunInput(input)).toThrow(message);
  });
});

test("closing items answer each call as an error", () => {
  expect(closingItems(openCalls(log(item("assistant", call("mine", "a")))))).toMatchObject([
    { role: "tool", parts: [{ type: "tool_result", callId: "a", name: "mine", isError: true }] },
  ]);
});
