/** Calls that wait for a person's word, on a real Redis: nothing runs before it, and it outlives every worker. */
import { BatonError, type Item, type RunId } from "@baton/core";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, type Script, text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { desk, type Flow, isAfterTool, openFlow } from "./testing/flow-rig.ts";

const redis = useRedis();

const CLIENT_TOOLS = [{ type: "function", function: { name: "mine" } }];

/** Asks for `calls` in its first reply, then says what the tools answered. */
const asking =
  (...calls: readonly ReturnType<typeof call>[]): Script =>
  (request) =>
    isAfterTool(request) ? { parts: [text(answersIn(request.items).join("; "))] } : { parts: calls };

const answersIn = (items: readonly Item[]) =>
  items.flatMap(({ parts }) =>
    parts.flatMap((part) => {
      if (part.type !== "tool_result") return [];
      const [first] = part.content;
      return [`${part.name}${part.isError ? "!" : ""}=${first?.type === "text" ? first.text : ""}`];
    }),
  );

async function openDesk(script: Script) {
  const flow = await openFlow(redis.url, script);
  const tools = desk(
    { send: { approval: true }, pay: { approval: true }, look: { readOnly: true } },
    ({ name }) => `${name} done`,
  );
  const worker = await flow.startWorker({ tools });
  const submit = async (more: object = {}): Promise<RunId> => {
    const spec = { input: "?", model: "openai/gpt", mcp_servers: ["desk"], ...more };
    return (await flow.producer.submit(spec)).runId;
  };
  return {
    ...flow,
    tools,
    worker,
    submit,
    ran: () => tools.calls.map(({ name, approved }) => `${name}${approved ? " approved" : ""}`),
    [Symbol.asyncDispose]: () => flow[Symbol.asyncDispose](),
  };
}

const asked = async (flow: Flow, id: RunId) =>
  (await flow.producer.askedCalls(id)).map(({ callId }) => callId);

/** The next wait after `epoch`. */
const waitsAgain = (flow: Flow, id: RunId, epoch: number) =>
  until(
    async () => {
      const { run } = await flow.producer.get(id);
      return run.status === "waiting" && run.epoch > epoch ? run : undefined;
    },
    { what: "the next wait" },
  );

const outcomeOf = (done: Promise<void>) =>
  done.then(
    () => "done",
    (error: unknown) => (error instanceof BatonError ? error.code : error),
  );

describe("a call that needs approval", () => {
  test("waits, while those that need none run, and is made once it is approved", async () => {
    await using flow = await openDesk(asking(call("send"), call("look")));
    const id = await flow.submit();
    const run = await flow.reached(id, "waiting");
    expect(run).toMatchObject({ reason: "approval", detail: "a person's word on the call of send" });
    expect(flow.ran()).toEqual(["look"]);
    expect(await asked(flow, id)).toEqual(["call_send"]);
    await flow.producer.approve(id);
    expect(await flow.ended(id)).toMatchObject({
      status: "succeeded",
      final_output: "look=look done; send=send done",
    });
    expect(flow.ran()).toEqual(["look", "send approved"]);
    expect(flow.models.calls).toHaveLength(2);
    expect(await asked(flow, id)).toEqual([]);
  });

  test("survives the worker that asked, and is made by another", async () => {
    await using flow = await openDesk(asking(call("send")));
    const id = await flow.submit();
    await flow.reached(id, "waiting");
    await flow.worker.stop(0);
    await flow.producer.approve(id);
    const tools = desk({ send: { approval: true } }, () => "sent by the other");
    await flow.startWorker({ tools });
    expect(await flow.ended(id)).toMatchObject({ final_output: "send=sent by the other" });
    expect([tools.calls.length, flow.ran()]).toEqual([1, []]);
    expect(flow.models.calls).toHaveLength(2);
  });

  test("is made alone when it alone is approved; the others are asked for again", async () => {
    await using flow = await openDesk(asking(call("send"), call("pay")));
    const id = await flow.submit();
    const { epoch } = await flow.reached(id, "waiting");
    expect(await asked(flow, id)).toEqual(["call_send", "call_pay"]);
    await flow.producer.approve(id, { calls: ["call_pay"] });
    const again = await waitsAgain(flow, id, epoch);
    expect(again).toMatchObject({ reason: "approval", detail: "a person's word on the call of send" });
    expect(flow.ran()).toEqual(["pay approved"]);
    expect(await asked(flow, id)).toEqual(["call_send"]);
    await flow.producer.approve(id);
    expect(await flow.ended(id)).toMatchObject({ final_output: "pay=pay done; send=send done" });
    expect(flow.ran()).toEqual(["pay approved", "send approved"]);
  });

  test("that is rejected is never made, and the model is told why", async () => {
    await using flow = await openDesk(asking(call("send"), call("pay")));
    const id = await flow.submit();
    const { epoch } = await flow.reached(id, "waiting");
    await flow.producer.reject(id, { calls: ["call_send"], reason: "not today" });
    await waitsAgain(flow, id, epoch);
    expect(flow.ran()).toEqual([]);
    await flow.producer.approve(id);
    expect(await flow.ended(id)).toMatchObject({
      status: "succeeded",
      final_output: "send!=A person rejected this call; it was not made. Reason: not today; pay=pay done",
    });
    expect(flow.ran()).toEqual(["pay approved"]);
  });
});

describe("a word that comes at the wrong time", () => {
  test("after a cancel is refused; a retry asks again", async () => {
    await using flow = await openDesk(asking(call("send")));
    const id = await flow.submit();
    await flow.reached(id, "waiting");
    await flow.producer.cancel(id);
    await expect(flow.producer.approve(id)).rejects.toMatchObject({ code: "not_possible" });
    await expect(flow.producer.reject(id)).rejects.toMatchObject({ code: "not_possible" });
    expect(flow.ran()).toEqual([]);
    await flow.producer.retry(id);
    await flow.reached(id, "waiting");
    expect(await asked(flow, id)).toEqual(["call_send"]);
    await flow.producer.approve(id);
    expect(await flow.ended(id)).toMatchObject({ status: "succeeded" });
    expect(flow.models.calls).toHaveLength(2);
  });

  test("is refused for a call that is not asked for, and writes nothing", async () => {
    await using flow = await openDesk(asking(call("send"), call("look")));
    const id = await flow.submit();
    const { items } = await flow.reached(id, "waiting");
    const wrong = flow.producer.approve(id, { calls: ["call_look"] });
    await expect(wrong).rejects.toMatchObject({ code: "invalid_spec" });
    expect((await flow.producer.get(id)).run).toMatchObject({ status: "waiting", items });
  });

  test("of two people at once counts once", async () => {
    await using flow = await openDesk(asking(call("send")));
    const id = await flow.submit();
    await flow.reached(id, "waiting");
    const outcomes = await Promise.all([
      outcomeOf(flow.producer.approve(id)),
      outcomeOf(flow.producer.reject(id)),
    ]);
    expect(outcomes.filter((outcome) => outcome === "done")).toHaveLength(1);
    expect(outcomes.find((outcome) => outcome !== "done")).toMatch(/^(conflict|not_possible)$/);
    await flow.ended(id);
    expect(flow.ran()).toHaveLength(outcomes[0] === "done" ? 1 : 0);
  });
});

test("a resume without a word asks again, and makes no call", async () => {
  await using flow = await openDesk(asking(call("send")));
  const id = await flow.submit();
  const { epoch } = await flow.reached(id, "waiting");
  await flow.producer.resume(id);
  expect(await waitsAgain(flow, id, epoch)).toMatchObject({ reason: "approval" });
  expect([flow.ran(), await asked(flow, id)]).toEqual([[], ["call_send"]]);
  expect(flow.models.calls).toHaveLength(1);
});

describe("with calls of the caller's own tools in one reply", () => {
  test("a person's word comes first, then the caller's result, then the model", async () => {
    await using flow = await openDesk(asking(call("send"), call("mine"), call("look")));
    const id = await flow.submit({ tools: CLIENT_TOOLS });
    const { epoch } = await flow.reached(id, "waiting");
    expect((await flow.producer.get(id)).run).toMatchObject({ reason: "approval" });
    expect(await flow.producer.clientCalls(id)).toEqual([]);
    await flow.producer.approve(id);
    expect(await waitsAgain(flow, id, epoch)).toMatchObject({ reason: "client_tools" });
    expect(flow.ran()).toEqual(["look", "send approved"]);
    expect((await flow.producer.clientCalls(id)).map(({ callId }) => callId)).toEqual(["call_mine"]);
    await flow.producer.input(id, { tool_results: [{ tool_call_id: "call_mine", content: "own" }] });
    expect(await flow.ended(id)).toMatchObject({
      final_output: "look=look done; send=send done; mine=own",
    });
    expect(flow.models.calls).toHaveLength(2);
  });

  test("the caller may answer first: the run still waits for the person", async () => {
    await using flow = await openDesk(asking(call("send"), call("mine")));
    const id = await flow.submit({ tools: CLIENT_TOOLS });
    const { epoch } = await flow.reached(id, "waiting");
    await flow.producer.input(id, { tool_results: [{ tool_call_id: "call_mine", content: "own" }] });
    expect(await waitsAgain(flow, id, epoch)).toMatchObject({ reason: "approval" });
    expect([flow.ran(), flow.models.calls.length]).toEqual([[], 1]);
    await flow.producer.approve(id);
    expect(await flow.ended(id)).toMatchObject({ final_output: "mine=own; send=send done" });
  });
});
