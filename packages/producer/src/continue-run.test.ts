/** When a run takes an earlier one up, and with which conversation it begins. */
import { type Message, parseRunSpec, type Run, type RunSpecInput } from "@baton/core";
import { expect, test } from "vitest";
import { planContinuation } from "./continue-run.ts";
import { call, claude, gpt, log, reply, result, user, waitingRun } from "./testing/log.ts";

const tools = ["mine", "yours"].map((name) => ({ type: "function" as const, function: { name } }));
const model = [gpt, claude];
const prior = parseRunSpec({ input: "?", model, tools, client_tools: "end" });
const { status: _status, ...common } = waitingRun();
const run = { ...common, status: "succeeded", endedAt: 0 } as Run;

const asked: Message = { role: "user", content: "?" };
const made = (...names: readonly string[]): Message => madeWith("{}", names);
const madeWith = (args: string, names: readonly string[]): Message => ({
  role: "assistant",
  tool_calls: names.map((name, place) => ({
    id: `given_${place}`,
    type: "function",
    function: { name, arguments: args },
  })),
});
const answer = (place: number): Message => ({
  role: "tool",
  tool_call_id: `given_${place}`,
  content: `${place}`,
});

/** A server's tool ran, then the other model took over and asked the caller. */
const conversation = log(
  user("?"),
  reply([call("served", "s")]),
  result("s"),
  reply(["hm", call("mine", "m")], 1, claude),
);

function plan(messages: readonly Message[], more: Partial<RunSpecInput> = {}, items = conversation) {
  const spec = parseRunSpec({ messages: [...messages], model, tools, ...more });
  return planContinuation(run, prior, items, spec, 5);
}

test("a run begins with the other's conversation, the results under the model's own ids, and its model", () => {
  const taken = plan([asked, made("mine"), answer(0), { role: "user", content: "Quick!" }]);
  expect(taken).toMatchObject({ shared: 4, pool: claude, phase: 1 });
  expect(taken?.items.slice(0, 4)).toEqual(conversation.map((item) => ({ ...item, epoch: 0 })));
  expect(taken?.items.slice(4)).toMatchObject([
    {
      seq: 4,
      phase: 1,
      at: 5,
      parts: [{ type: "tool_result", callId: "m", name: "mine", content: [{ text: "0" }] }],
    },
    { seq: 5, role: "user", parts: [{ text: "Quick!" }] },
    { seq: 6, role: "control", parts: [{ act: "fork", detail: { run: run.id, at: 3, model: claude } }] },
  ]);
});

test("calls of one name are told apart by their order", () => {
  const items = log(user("?"), reply([call("mine", "a"), call("mine", "b")]));
  const taken = plan([asked, made("mine", "mine"), answer(1), answer(0)], {}, items);
  expect(taken?.items.slice(2, 4).map(({ parts }) => parts)).toMatchObject([
    [{ callId: "b", content: [{ text: "1" }] }],
    [{ callId: "a", content: [{ text: "0" }] }],
  ]);
});

test("a transfer that was called beside them gets a result that says so: no call stays open", () => {
  const items = log(user("?"), reply([call("mine", "m"), call("transfer_to_x", "t")]));
  const taken = plan([asked, made("mine"), answer(0)], {}, items);
  const results = taken?.items.flatMap(({ parts }) =>
    parts.flatMap((part) => (part.type === "tool_result" ? [part.callId] : [])),
  );
  expect(new Set(results)).toEqual(new Set(["m", "t"]));
});

test.each([
  ["other calls", [asked, made("yours"), answer(0)], {}],
  ["more calls", [asked, made("mine", "yours"), answer(0), answer(1)], {}],
  ["other arguments", [asked, madeWith('{"a":1}', ["mine"]), answer(0)], {}],
  ["no result", [asked, made("mine"), { role: "user", content: "?" }], {}],
  ["no calls", [asked, { role: "assistant", content: "x" }, asked], {}],
  ["no assistant", [asked], {}],
  ["models without the one that asked", [asked, made("mine"), answer(0)], { model: [gpt] }],
] satisfies [string, Message[], Partial<RunSpecInput>][])(
  "messages with %s take nothing up",
  (_what, messages, more) => {
    expect(plan(messages, more)).toBeUndefined();
  },
);

test("arguments that were written down in another way are the same", () => {
  expect(plan([asked, madeWith(" { }", ["mine"]), answer(0)])).toMatchObject({ shared: 4 });
});

test("a run that did not end with calls is not taken up", () => {
  expect(plan([asked, made("mine"), answer(0)], {}, log(user("?"), reply(["done"])))).toBeUndefined();
  const spec = parseRunSpec({ messages: [asked, made("mine"), answer(0)], model, tools });
  expect(planContinuation(waitingRun(), prior, conversation, spec, 0)).toBeUndefined();
});
