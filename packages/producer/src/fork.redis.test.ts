/** Forks on a real Redis: a new run goes on from another one's conversation, and that one stays as it is. */
import type { Item, RunId } from "@baton/core";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, type Script, scriptedModels, text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { openRig, type Rig } from "../../../test/support/worker-rig.ts";
import { claude } from "./testing/log.ts";

const redis = useRedis();

const TOOLS = [{ type: "function", function: { name: "mine" } }];

async function openScripted(script: Script) {
  const rig = await openRig(redis.url);
  const models = scriptedModels(script);
  await rig.startWorker({
    adapters: models.adapters,
    patterns: ["openai/*", "anthropic/*"],
    price: () => 0.5,
  });
  const ended = (id: RunId) => rig.producer.result(id, AbortSignal.timeout(10_000));
  return {
    rig,
    producer: rig.producer,
    models,
    ended,
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

const untilStatus = (rig: Rig, id: RunId, status: string) =>
  until(async () => (await rig.producer.get(id)).run.status === status, { what: `${id} to be ${status}` });

/** Every key of a run, byte for byte, with the time at which it goes. */
async function bytesOf(id: RunId) {
  const client = redis.connect();
  const keys = (await client.keys(`*${id}*`)).sort();
  return Promise.all(
    keys.map(async (key) => [
      key,
      (await client.dumpBuffer(key))?.toString("hex"),
      await client.pexpiretime(key),
    ]),
  );
}

const textsOf = (items: readonly Item[]) =>
  items.map(({ role, parts: [part] }) => `${role}:${part?.type === "text" ? part.text : part?.type}`);

/** Says which model speaks, and how many items it saw. */
const counting: Script = ({ model, items }) => ({ parts: [text(`${model} saw ${items.length}`)] });

test("the source is untouched, byte for byte, whatever becomes of the fork", async () => {
  await using scripted = await openScripted(counting);
  const { producer, ended } = scripted;
  const { runId: source } = await producer.submit({ input: "?", model: ["openai/gpt", "anthropic/claude"] });
  await ended(source);
  const before = await bytesOf(source);
  expect(before.length).toBeGreaterThanOrEqual(3);
  const forks = [
    await producer.fork(source, { input: "again" }),
    await producer.fork(source, { at: 0 }),
    await producer.fork(source, { model: claude }),
  ];
  for (const { runId, created } of forks) {
    expect(created).toBe(true);
    expect(await ended(runId)).toMatchObject({ status: "succeeded" });
    await producer.fork(runId, { input: "and again" });
  }
  expect(await bytesOf(source)).toEqual(before);
});

describe("a fork", () => {
  test("at an item shares what was before it, and asks the model for the rest", async () => {
    await using scripted = await openScripted(counting);
    const { producer, ended } = scripted;
    const { runId: source } = await producer.submit({ input: "?", model: "openai/gpt" });
    await ended(source);
    const { runId } = await producer.fork(source, { at: 0, input: "or else?" });
    await ended(runId);
    const items = await producer.conversation(runId);
    expect(textsOf(items)).toEqual([
      "user:?",
      "control:record",
      "user:or else?",
      "assistant:openai/gpt saw 3",
    ]);
    const { run } = await producer.get(runId);
    expect(run).toMatchObject({ forkedFrom: { run: source, items: 1 }, turns: 1, handoffs: 0 });
    // What is shared was paid for by the other run.
    expect(run.costUsd).toBe(0.5);
  });

  test("with another model is a phase of that model, with its settings and the budget that is given", async () => {
    await using scripted = await openScripted(counting);
    const { producer, ended, models } = scripted;
    const { runId: source } = await producer.submit({
      input: "?",
      model: ["openai/gpt", { model: claude, settings: { temperature: 0.25 } }],
      budget: { tokens: 1_000, usd: 9 },
    });
    await ended(source);
    const { runId } = await producer.fork(source, { model: claude, budget: { tokens: 500 } });
    const result = await ended(runId);
    expect(result).toMatchObject({ final_output: `${claude} saw 3`, models_used: [claude] });
    expect(models.calls.at(-1)?.request.settings).toMatchObject({ temperature: 0.25 });
    const { run, spec } = await producer.get(runId);
    expect(run.phases.map(({ seq, model }) => [seq, model])).toEqual([[1, claude]]);
    expect(spec.budget).toEqual({ tokens: 500, usd: 9 });
  });

  test("of a run that waits for its caller goes on before the call, and the source waits on", async () => {
    await using scripted = await openScripted(({ items }) =>
      items.at(-1)?.role === "tool" || items.length > 1
        ? { parts: [text("done")] }
        : { parts: [call("mine")] },
    );
    const { producer, ended, rig } = scripted;
    const { runId: source } = await producer.submit({ input: "?", model: "openai/gpt", tools: TOOLS });
    await untilStatus(rig, source, "waiting");
    await expect(producer.fork(source, { at: 1 })).rejects.toMatchObject({ code: "invalid_spec" });
    const { runId } = await producer.fork(source);
    expect(await ended(runId)).toMatchObject({ status: "succeeded", final_output: "done" });
    await producer.input(source, { tool_results: [{ tool_call_id: "call_mine", content: "yes" }] });
    expect(await ended(source)).toMatchObject({ status: "succeeded" });
  });

  test("of a run that failed asks the model anew", async () => {
    let asked = 0;
    await using scripted = await openScripted(() => {
      asked += 1;
      return asked === 1 ? { parts: [text("no")], stopReason: "refusal" } : { parts: [text("yes")] };
    });
    const { producer, ended } = scripted;
    const { runId: source } = await producer.submit({ input: "?", model: "openai/gpt" });
    expect(await ended(source)).toMatchObject({ status: "failed" });
    const { runId } = await producer.fork(source);
    expect(await ended(runId)).toMatchObject({ status: "succeeded", final_output: "yes" });
    expect((await producer.get(source)).run.status).toBe("failed");
  });

  test("in a pipeline goes on with the step that it was cut in", async () => {
    await using scripted = await openScripted(({ instructions }) => ({ parts: [text(instructions ?? "")] }));
    const { producer, ended, models } = scripted;
    const { runId: source } = await producer.submit({
      input: "?",
      phases: [
        { model: "openai/gpt", instructions: "find" },
        { model: claude, instructions: "write" },
        { model: "openai/gpt", instructions: "check" },
      ],
    });
    await ended(source);
    const items = await producer.conversation(source);
    const first = items.findIndex(({ parts }) => parts.some(({ type }) => type === "handoff"));
    const { runId } = await producer.fork(source, { at: first });
    expect(await ended(runId)).toMatchObject({ status: "succeeded", final_output: "check" });
    expect(models.calls.slice(3).map(({ model, request }) => [model, request.instructions])).toEqual([
      [claude, "write"],
      ["openai/gpt", "check"],
    ]);
  });

  test("of a run that is not there, or with nothing left to do, is refused and writes nothing", async () => {
    await using scripted = await openScripted(counting);
    const { producer, ended } = scripted;
    const { runId: source } = await producer.submit({ input: "?", model: "openai/gpt" });
    await ended(source);
    await expect(producer.fork(source)).rejects.toMatchObject({ code: "invalid_spec" });
    const unknown = `r_0_${"0".repeat(26)}` as RunId;
    await expect(producer.fork(unknown)).rejects.toMatchObject({ code: "not_found" });
    expect(await Array.fromAsync(producer.select({ status: "succeeded" }))).toHaveLength(1);
    expect(await Array.fromAsync(producer.select({ status: "queued" }))).toHaveLength(0);
  });
});

describe("a fork with an idempotency key", () => {
  async function openDone() {
    const scripted = await openScripted(counting);
    const { runId: source } = await scripted.producer.submit({ input: "?", model: "openai/gpt" });
    await scripted.ended(source);
    return { ...scripted, source, [Symbol.asyncDispose]: () => scripted[Symbol.asyncDispose]() };
  }

  test("sent twice is one run", async () => {
    await using scripted = await openDone();
    const { producer, source, ended } = scripted;
    const options = { input: "more", idempotencyKey: "k" };
    const first = await producer.fork(source, options);
    await ended(first.runId);
    const second = await producer.fork(source, options);
    expect(second).toEqual({ runId: first.runId, created: false });
  });

  test.each([
    ["with an input", { input: "more" }],
    ["without one, so that nothing would be left to do", {}],
  ])("sent again when its source has gone on and ended is that run still: %s", async (_, said) => {
    await using scripted = await openScripted(({ items }) =>
      items.some(({ role }) => role === "tool") ? { parts: [text("done")] } : { parts: [call("mine")] },
    );
    const { producer, rig, ended } = scripted;
    const { runId: source } = await producer.submit({ input: "?", model: "openai/gpt", tools: TOOLS });
    await untilStatus(rig, source, "waiting");
    const options = { ...said, idempotencyKey: "k" };
    const first = await producer.fork(source, options);
    await producer.input(source, { tool_results: [{ tool_call_id: "call_mine", content: "42" }] });
    await ended(source);
    expect(await producer.fork(source, options)).toEqual({ runId: first.runId, created: false });
    const other = producer.fork(source, { ...options, input: "something else" });
    await expect(other).rejects.toMatchObject({ code: "conflict" });
  });

  test("that another run has is a conflict, also where nothing would be left to do", async () => {
    await using scripted = await openDone();
    const { producer, source } = scripted;
    await producer.submit({ input: "!", model: "openai/gpt" }, { idempotencyKey: "k" });
    const forked = producer.fork(source, { idempotencyKey: "k" });
    await expect(forked).rejects.toMatchObject({ code: "conflict" });
  });

  test.each([
    ["another place", { input: "more", at: 0 }],
    ["another model", { input: "more", model: claude }],
    ["another budget", { input: "more", budget: { tokens: 9 } }],
    ["another input", { input: "something else" }],
  ])("of the same key with %s is a conflict", async (_, options) => {
    await using scripted = await openDone();
    const { producer, source } = scripted;
    await producer.fork(source, { input: "more", idempotencyKey: "k" });
    await expect(producer.fork(source, { ...options, idempotencyKey: "k" })).rejects.toMatchObject({
      code: "conflict",
    });
  });
});

describe("a fork in a batch", () => {
  test("is the run of its name there, however often it is sent", async () => {
    await using scripted = await openScripted(counting);
    const { producer, ended } = scripted;
    const { runId: source } = await producer.submit({ input: "?", model: "openai/gpt" });
    await ended(source);
    const options = { input: "more", batch: { id: "b1", customId: "c1" } };
    const { runId } = await producer.fork(source, options);
    await ended(runId);
    expect(await producer.fork(source, options)).toEqual({ runId, created: false });
    expect((await producer.get(runId)).run).toMatchObject({ batch: "b1", customId: "c1" });
    expect(await producer.batch("b1")).toMatchObject({ tokens: 15, costUsd: 0.5 });
  });

  test("whose id cannot be one is refused", async () => {
    await using scripted = await openScripted(counting);
    const { producer, ended } = scripted;
    const { runId: source } = await producer.submit({ input: "?", model: "openai/gpt" });
    await ended(source);
    const options = { input: "more", batch: { id: "b 1", customId: "c1" } };
    await expect(producer.fork(source, options)).rejects.toMatchObject({ code: "invalid_spec" });
  });
});
