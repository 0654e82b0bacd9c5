/** The producer over a real Redis: what it writes when a run waits or is retried, and what it refuses. */
import { BatonError, type Item, modelIdSchema, type RunId } from "@baton/core";
import { connectStore, EventHub, openBlockingConnection, runKeys } from "@baton/store";
import { describe, expect, test } from "vitest";
import { freshRedis, useRedis } from "../../../test/support/redis.ts";
import { call, type Script, scriptedModels, text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { openRig, type Rig, systemIds } from "../../../test/support/worker-rig.ts";
import { Producer } from "./producer.ts";

const redis = useRedis();

const TOOLS = [{ type: "function", function: { name: "mine" } }];

async function openScripted(script: Script) {
  const rig = await openRig(redis.url);
  const models = scriptedModels(script);
  const worker = await rig.startWorker({ adapters: models.adapters, patterns: ["openai/*", "anthropic/*"] });
  return { rig, models, worker, [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]() };
}

const untilStatus = (rig: Rig, id: RunId, status: string) =>
  until(async () => (await rig.producer.get(id)).run.status === status, { what: `${id} to be ${status}` });

const partsOf = (items: readonly Item[]) => items.map(({ role, parts: [part] }) => `${role}:${part?.type}`);

describe("input", () => {
  test("is refused while nothing waits, and for a run that is not there", async () => {
    await using rig = await openRig(redis.url);
    const { runId } = await rig.producer.submit({ input: "?", model: "openai/gpt" });
    const refused = { code: "not_possible", fields: { runId, status: "queued" } };
    await expect(rig.producer.input(runId, { message: "hello" })).rejects.toMatchObject(refused);
    // A well-formed id of no run.
    const unknown = `r_0_${"0".repeat(26)}` as RunId;
    await expect(rig.producer.input(unknown, { message: "hello" })).rejects.toMatchObject({
      code: "not_found",
    });
  });

  test("with a message is heard by the model when a paused run goes on", async () => {
    await using scripted = await openScripted(() => ({ parts: [text("done")] }));
    const { rig } = scripted;
    const pool = modelIdSchema.parse("openai/gpt");
    await rig.producer.pausePool(pool);
    const { runId } = await rig.producer.submit({ input: "?", model: "openai/gpt", priority: 7 });
    await rig.producer.pause(runId);
    await rig.producer.resumePool(pool);
    await rig.producer.input(runId, { message: "and be quick" });
    const result = await rig.producer.result(runId, AbortSignal.timeout(10_000));
    expect(result.final_output).toBe("done");
    expect(scripted.models.calls[0]?.request.items.map((item) => item.parts)).toEqual([
      [{ type: "text", text: "?" }],
      [{ type: "text", text: "and be quick" }],
    ]);
  });

  test("starts no run before its time, and neither does resuming it", async () => {
    await using rig = await openRig(redis.url);
    const run_at = new Date(Date.now() + 600_000).toISOString();
    for (const goOn of [
      (runId: RunId) => rig.producer.resume(runId),
      (runId: RunId) => rig.producer.input(runId, { message: "and be quick" }),
    ]) {
      const { runId } = await rig.producer.submit({ input: "?", model: "openai/gpt", run_at });
      await rig.producer.pause(runId);
      await goOn(runId);
      const { run } = await rig.producer.get(runId);
      expect(run).toMatchObject({ status: "queued" });
      expect(run.status === "queued" && run.notBefore).toBeGreaterThan(Date.parse(run_at) - 1_000);
    }
    // The jobs of before the pause are among them.
    expect(await rig.queues.countsOf(modelIdSchema.parse("openai/gpt"))).toMatchObject({
      waiting: 0,
      delayed: 4,
    });
  });

  test("given twice at once is written once", async () => {
    await using scripted = await openScripted(({ items }) =>
      items.at(-1)?.role === "tool" ? { parts: [text("thanks")] } : { parts: [call("mine")] },
    );
    const { producer } = scripted.rig;
    const { runId } = await producer.submit({ input: "?", model: "openai/gpt", tools: TOOLS });
    await untilStatus(scripted.rig, runId, "waiting");
    expect((await producer.clientCalls(runId)).map(({ callId }) => callId)).toEqual(["call_mine"]);
    const give = (content: string) =>
      producer.input(runId, { tool_results: [{ tool_call_id: "call_mine", content }] }).then(
        () => "given",
        (error: unknown) => (error instanceof BatonError ? error.code : error),
      );
    const outcomes = await Promise.all([give("one"), give("two")]);
    expect(outcomes.filter((outcome) => outcome === "given")).toHaveLength(1);
    expect(outcomes.find((outcome) => outcome !== "given")).toMatch(/^(conflict|not_possible)$/);
    await untilStatus(scripted.rig, runId, "succeeded");
    const items = await producer.conversation(runId);
    expect(partsOf(items)).toEqual([
      "user:text",
      "assistant:tool_call",
      "tool:tool_result",
      "assistant:text",
    ]);
    expect(await producer.clientCalls(runId)).toEqual([]);
  });

  test("keeps the run's priority in the queue", async () => {
    await using rig = await openRig(redis.url);
    const { runId } = await rig.producer.submit({ input: "?", model: "openai/gpt", priority: 7 });
    await rig.producer.pause(runId);
    await rig.producer.resume(runId);
    const { run } = await rig.producer.get(runId);
    const job = await rig.queues.queueOf(run.model).getJob(`${runId}-${run.ticket}`);
    expect(job?.opts.priority).toBe(7);
  });
});

describe("retry", () => {
  test("with an input closes the calls that are open, so that each has a result before the user speaks", async () => {
    await using scripted = await openScripted(({ items }) =>
      items.at(-1)?.role === "user" && items.length > 1 ? { parts: [text("ok")] } : { parts: [call("mine")] },
    );
    const { producer } = scripted.rig;
    const { runId } = await producer.submit({ input: "?", model: "openai/gpt", tools: TOOLS });
    await untilStatus(scripted.rig, runId, "waiting");
    await producer.cancel(runId);
    await producer.retry(runId, { input: "without the tool, please" });
    const result = await producer.result(runId, AbortSignal.timeout(10_000));
    expect(result).toMatchObject({ status: "succeeded", final_output: "ok" });
    expect(partsOf(await producer.conversation(runId))).toEqual([
      "user:text",
      "assistant:tool_call",
      "control:record",
      "tool:tool_result",
      "user:text",
      "assistant:text",
    ]);
  });

  test("without an input goes on from the open calls", async () => {
    await using scripted = await openScripted(({ items }) =>
      items.at(-1)?.role === "tool" ? { parts: [text("ok")] } : { parts: [call("mine")] },
    );
    const { producer } = scripted.rig;
    const { runId } = await producer.submit({ input: "?", model: "openai/gpt", tools: TOOLS });
    await untilStatus(scripted.rig, runId, "waiting");
    await producer.cancel(runId);
    await producer.retry(runId);
    await untilStatus(scripted.rig, runId, "waiting");
    await producer.input(runId, { tool_results: [{ tool_call_id: "call_mine", content: "yes" }] });
    await untilStatus(scripted.rig, runId, "succeeded");
    expect(scripted.models.calls).toHaveLength(2);
  });

  test("of a run that is not over is refused", async () => {
    await using rig = await openRig(redis.url);
    const { runId } = await rig.producer.submit({ input: "?", model: "openai/gpt" });
    await expect(rig.producer.retry(runId)).rejects.toMatchObject({ code: "not_possible" });
  });
});

test("a wait reads the run when it is over, and not at each piece of its text", async () => {
  const shown = Promise.withResolvers<(text: string) => void>();
  const end = Promise.withResolvers<void>();
  await using scripted = await openScripted(async (_request, _signal, onDelta) => {
    shown.resolve((piece) => onDelta({ kind: "text", text: piece }));
    await end.promise;
    return { parts: [text("done")] };
  });
  const { rig } = scripted;
  const store = await connectStore({ url: redis.url, retentionMs: 0, onError: () => undefined });
  await using _store = store;
  let reads = 0;
  const read: typeof store.ledger.read = (id) => {
    reads += 1;
    return store.ledger.read(id);
  };
  const { runId } = await rig.producer.submit({ input: "?", model: "openai/gpt" });
  const producer = new Producer({ ...store, ledger: { ...store.ledger, read }, ids: systemIds });
  const settled = producer.untilSettled(runId, AbortSignal.timeout(10_000));
  const show = await shown.promise;
  const hints = redis.connect();
  let hinted = 0;
  hints.on("message", () => {
    hinted += 1;
  });
  await hints.subscribe(runKeys(runId).events);
  for (let piece = 1; piece <= 5; piece += 1) {
    show(`${piece} `);
    await until(() => hinted >= piece, { what: "the hint" });
  }
  end.resolve();
  expect((await settled).run.status).toBe("succeeded");
  expect(reads).toBe(1);
});

test("who stops waiting gets the run as it is at once, though its subscription is never answered", async () => {
  await using rig = await openRig(redis.url);
  await using away = await freshRedis();
  const { runId } = await rig.producer.submit({ input: "?", model: "openai/gpt" });
  const subscriber = openBlockingConnection({ url: away.url, onError: () => undefined });
  const hub = new EventHub(subscriber);
  await subscriber.ping();
  process.kill(away.pid, "SIGSTOP");
  try {
    // What subscribes is never answered; the ledger is.
    const { ledger, queues } = rig;
    const producer = new Producer({ ledger, queues, hub, ids: systemIds });
    const letGo = new AbortController();
    const waits = [producer.untilSettled(runId, letGo.signal), producer.result(runId, letGo.signal)] as const;
    letGo.abort();
    const [{ run }, result] = await Promise.all(waits);
    expect([run.status, result.status, hub.waiters]).toEqual(["queued", "queued", 0]);
  } finally {
    process.kill(away.pid, "SIGCONT");
    await hub.close();
  }
});
