/** A producer that has only the HTTP API, held against one on the same Redis: it says the same of everything. */
import { BatonError, modelIdSchema, type RunId, textOf } from "@baton/core";
import {
  type BatchLine,
  type ConnectedServer,
  connectProducer,
  type RemoteProducer,
  Runner,
  type RunService,
  readBatchLines,
} from "@baton/producer";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type ApiRig, openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { useRedis } from "../support/redis.ts";
import { call, text } from "../support/scripted-model.ts";
import { until } from "../support/until.ts";

const GPT = modelIdSchema.parse("openai/gpt");
const NONE = "r_0_00000000000000000000000000" as RunId; // It has the form of an id.
const never = new AbortController().signal;

const redis = useRedis();
/** Inputs at which the models fail. */
const down = new Set<string>();
let api: ApiRig;
let connected: ConnectedServer;
let remote: RemoteProducer;
beforeAll(async () => {
  api = await openApiRig(redis.url, {
    async script({ items, model }) {
      const said = items[0] === undefined ? "" : textOf(items[0]);
      if (down.has(said)) throw new BatonError("provider_auth", `no key for ${said}`);
      if (said === "hand over" && model === GPT) {
        return { parts: [text("facts"), call("transfer_to_anthropic_claude", { reason: "r", brief: "b" })] };
      }
      const answered = items.some((item) => item.role === "tool");
      if (said === "ask me" && !answered) return { parts: [call("colour", {})] };
      return { parts: [text(`done: ${said}`)] };
    },
  });
  connected = await connectProducer({ server: api.url });
  remote = connected.producer;
});
afterAll(async () => {
  await connected[Symbol.asyncDispose]();
  await api[Symbol.asyncDispose]();
});
beforeEach(() => down.clear());

const colour = {
  type: "function" as const,
  function: { name: "colour", description: "The user's colour.", parameters: { type: "object" as const } },
};

async function ended(input: string, more: object = {}): Promise<RunId> {
  const { runId } = await remote.submit({ input, model: [GPT, "anthropic/claude"], ...more });
  await remote.result(runId, never);
  return runId;
}

async function list<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = [];
  for await (const value of values) all.push(value);
  return all;
}

/** What is asked of both is answered alike. */
async function alike<Value>(ask: (runs: RunService) => Promise<Value>): Promise<Value> {
  const [there, here] = [await ask(remote), await ask(api.producer)];
  expect(there).toEqual(here);
  return there;
}

describe("runs", () => {
  test("that ended are told alike: record, result, conversation, events", async () => {
    const id = await ended("hand over", { metadata: { a: "b" } });
    const { run } = await alike((runs) => runs.get(id));
    expect(run.phases).toHaveLength(2);
    const result = await alike((runs) => runs.resultNow(id));
    expect(JSON.stringify(result)).toBe(JSON.stringify(await api.producer.resultNow(id)));
    expect((await alike((runs) => runs.conversation(id))).length).toBe(run.items);
    await alike((runs) => runs.conversation(id, 1, 2));
    await alike((runs) => runs.conversation(id, 0, -2));
    await alike((runs) => runs.conversation(id, run.items));
    await alike((runs) => runs.notice(run));
    await alike((runs) => runs.ownerOf(id));
    const events = await alike((runs) => list(runs.watch(id, { after: "0-0" }, never)));
    expect(events.at(-1)?.event).toMatchObject({ type: "status", status: "succeeded" });
    const half = events[Math.floor(events.length / 2)];
    await alike((runs) => list(runs.watch(id, { after: half?.id }, never)));
    await alike((runs) => list(runs.watch(id, {}, never)));
    await alike((runs) => list(runs.watch(id, { after: events.at(-1)?.id }, never)));
  });

  test("that fail, wait and are steered are told alike", async () => {
    down.add("sick");
    const failed = await ended("sick");
    expect(await alike((runs) => runs.resultNow(failed))).toMatchObject({ error: { code: "provider_auth" } });
    down.clear();
    await remote.retry(failed, { input: "again", budget: { tokens: 1_000_000 } });
    expect(await remote.result(failed, never)).toMatchObject({ status: "succeeded" });
    const forked = await remote.fork(failed, { at: 0, input: "other", idempotencyKey: "f" });
    expect(await remote.fork(failed, { at: 0, input: "other", idempotencyKey: "f" })).toEqual({
      ...forked,
      created: false,
    });
    const { runId } = await remote.submit({ input: "later", model: "nobody/x" });
    const { run } = await alike((runs) => runs.get(runId));
    expect(await alike((runs) => runs.notice(run))).toContain("no live worker serves nobody/x");
    await remote.pause(runId);
    await alike((runs) => runs.get(runId));
    await remote.resume(runId);
    await remote.cancel(runId);
    expect(await alike((runs) => runs.resultNow(runId))).toMatchObject({ status: "cancelled" });
  });

  test("are listed and selected alike, over many pages", async () => {
    const ids: RunId[] = [];
    for (let at = 0; at < 7; at += 1) {
      const { runId } = await remote.submit({
        input: "x",
        model: "nobody/x",
        metadata: { at: String(at % 2) },
      });
      ids.push(runId);
    }
    await alike((runs) => runs.page({ limit: 1_000 }));
    const page = await alike((runs) => runs.page({ limit: 3 }));
    await alike((runs) => runs.page({ limit: 3, cursor: page.cursor }));
    const all = await alike((runs) => list(runs.select({ status: "queued", pool: "nobody/*" })));
    expect(all.map(({ id }) => id)).toEqual(ids.toReversed());
    await alike((runs) => list(runs.select({ status: "queued", metadata: { at: "1" } })));
    expect(await alike((runs) => list(runs.select({ status: "queued", limit: 2 })))).toHaveLength(2);
  });

  test("that are not there, or cannot be what is asked for, are errors of the same code and words", async () => {
    const done = await ended("x");
    const asks: ((runs: RunService) => Promise<unknown>)[] = [
      (runs) => runs.get(NONE),
      (runs) => runs.cancel(NONE),
      (runs) => list(runs.watch(NONE, {}, never)),
      (runs) => runs.cancel(done),
      (runs) => runs.resume(done),
      (runs) => runs.approve(done),
      (runs) => runs.input(done, { message: "hi" }),
      (runs) => runs.input(done, { nothing: 1 }),
      (runs) => runs.fork(done, { at: 99 }),
      (runs) => runs.submit({ input: "x" }),
      (runs) => runs.batchStatus("nothing"),
      (runs) => list(runs.batchResults("nothing", {}, never)),
      (runs) => runs.pool(modelIdSchema.parse("nobody/ever")),
    ];
    for (const ask of asks) {
      const errorOf = (runs: RunService) =>
        ask(runs).then(
          () => undefined,
          ({ code, message }: BatonError) => ({ code, message }),
        );
      const there = await errorOf(remote);
      expect(there).toEqual(await errorOf(api.producer));
      expect(there?.code).toBeDefined();
    }
  });

  test("the same idempotency key is one run, another body a conflict; without one each submission is a run", async () => {
    const spec = { input: "x", model: "nobody/x" };
    const first = await remote.submit(spec, { idempotencyKey: "k" });
    expect(first.created).toBe(true);
    expect(await remote.submit(spec, { idempotencyKey: "k" })).toEqual({
      runId: first.runId,
      created: false,
    });
    await expect(remote.submit({ ...spec, input: "y" }, { idempotencyKey: "k" })).rejects.toMatchObject({
      code: "conflict",
    });
    expect((await remote.submit(spec)).runId).not.toBe((await remote.submit(spec)).runId);
    const batch = { id: "one", customId: "a" };
    const placed = await remote.submit(spec, { batch });
    expect(await remote.submit(spec, { batch })).toEqual({ runId: placed.runId, created: false });
    await expect(remote.submit(spec, { idempotencyKey: "schlüssel " })).rejects.toMatchObject({
      code: "invalid_spec",
    });
  });

  test("the result of a run that waits is waited for; each wait is told", async () => {
    const { runId } = await remote.submit({ input: "ask me", model: GPT, tools: [colour] });
    const waits: string[] = [];
    const result = remote.result(runId, never, (run) => waits.push(run.reason));
    await until(() => waits.length > 0, { what: "the wait" });
    const [asked] = await alike((runs) => runs.clientCalls(runId));
    await alike((runs) => runs.askedCalls(runId));
    expect((await remote.untilSettled(runId, never)).run.status).toBe("waiting");
    await remote.input(runId, {
      tool_results: [{ tool_call_id: asked?.callId ?? "", content: "blue" }],
    });
    expect(await result).toMatchObject({ status: "succeeded", final_output: "done: ask me" });
    expect(waits).toEqual(["client_tools"]);
  });

  test("an abort ends what waits at once: with what there is, and without an error", async () => {
    const { runId } = await remote.submit({ input: "x", model: "nobody/x" });
    const letGo = new AbortController();
    const waiting = remote.result(runId, letGo.signal);
    const settling = remote.untilSettled(runId, letGo.signal);
    const watching = list(remote.watch(runId, {}, letGo.signal));
    await until(async () => (await api.call("GET", `/v1/runs/${runId}`)).status === 200, {
      what: "an answer",
    });
    letGo.abort();
    expect(await waiting).toMatchObject({ status: "queued" });
    expect((await settling).run.status).toBe("queued");
    expect((await watching).length).toBeLessThanOrEqual(1);
  });
});

test("the Runner runs on it, with tools of its own", async () => {
  const result = await new Runner(connected).run({
    input: "ask me",
    model: GPT,
    tools: [Object.assign(() => "blue", { description: "The user's colour." })].map((run) =>
      Object.defineProperty(run, "name", { value: "colour" }),
    ),
  });
  expect(result).toMatchObject({ finalOutput: "done: ask me", status: "succeeded" });
  expect(result.toolResults).toMatchObject([{ result: "blue" }]);
  await using stream = await new Runner(connected).run({ input: "x", model: GPT, stream: true });
  expect((await stream.result()).finalOutput).toBe("done: x");
});

async function* linesOf(...texts: string[]): AsyncGenerator<BatchLine, void, void> {
  const source = (async function* () {
    yield Buffer.from(texts.join("\n"));
  })();
  for await (const line of readBatchLines(source)) if (line.kind === "run") yield line;
}

const lineOf = (customId: string, body: object = {}) =>
  JSON.stringify({ custom_id: customId, body: { input: customId, model: GPT, ...body } });

describe("batches", () => {
  test("are submitted, looked at, and give their results alike", async () => {
    down.add("sick");
    const lines = () => linesOf(lineOf("a"), "", "", lineOf("sick"), lineOf("c"));
    const submission = await remote.submitBatch(lines(), { id: "b", weight: 2 }, never);
    expect(submission).toEqual({ id: "b", created: 3, known: 0, conflicts: 0, isWhole: true });
    const again = await api.producer.submitBatch(lines(), { id: "b" }, never);
    expect(again).toMatchObject({ created: 0, known: 3 });
    for await (const status of remote.watchBatch("b", never, 20)) if (status.isOver) break;
    await alike((runs) => runs.batchStatus("b"));
    await alike((runs) => list(runs.watchBatch("b", never, 20)));
    await alike((runs) => list(runs.batches()));
    const results = await alike((runs) => list(runs.batchResults("b", {}, never)));
    expect(results.map((one) => one.custom_id)).toEqual(["a", "sick", "c"]);
    await alike((runs) => list(runs.batchResults("b", { order: "finished", follow: true }, never)));
    await alike((runs) => list(runs.batchResults("b", { statuses: ["failed", "cancelled"] }, never)));
    await alike((runs) => list(runs.batchResults("b", { after: results[0]?.cursor }, never)));
    expect(await alike((runs) => list(runs.batchErrors("b", {}, never)))).toHaveLength(1);
    down.clear();
    const retried = await list(remote.retryBatch("b", {}, never));
    expect(retried).toEqual([{ id: results[1]?.id }]);
    expect(await list(remote.retryBatch("b", {}, never))).toEqual([]);
  });

  test("tell of conflicts by the numbers of the lines, and of what cannot be submitted", async () => {
    await remote.submitBatch(linesOf(lineOf("a")), { id: "twice" }, never);
    const conflicts: unknown[] = [];
    const options = { id: "twice", onConflict: (one: unknown) => void conflicts.push(one) };
    const lines = () => linesOf("", "", lineOf("a", { max_turns: 3 }));
    expect(await remote.submitBatch(lines(), options, never)).toMatchObject({ conflicts: 1, isWhole: true });
    expect(await api.producer.submitBatch(lines(), options, never)).toMatchObject({ conflicts: 1 });
    expect(conflicts[0]).toMatchObject({ line: 3, customId: "a" });
    expect(conflicts[0]).toEqual(conflicts[1]);
    const wrong = remote.submitBatch(linesOf(lineOf("x", { model: "nowhere/x" })), { id: "w" }, never);
    await expect(wrong).rejects.toMatchObject({
      code: "invalid_spec",
      message: expect.stringMatching(/1 of 1 lines .*nothing was\. Line 1: .*no provider nowhere/),
    });
  });

  test("are cancelled whole, and go on when their budget is raised", async () => {
    const lines = linesOf(
      ...Array.from({ length: 5 }, (_, at) => lineOf(`n${at}`, { model: "openai/held" })),
    );
    await api.producer.pausePool(modelIdSchema.parse("openai/held"));
    await remote.submitBatch(lines, { id: "all", budget: { tokens: 5 } }, never);
    expect(await list(remote.changeBatch("all", { weight: 3, budget: { usd: 9 } }, never))).toEqual([]);
    expect(await alike((runs) => runs.batchStatus("all"))).toMatchObject({
      weight: 3,
      budget: { tokens: 5, usd: 9 },
    });
    await remote.setBatchBudget("all", { usd: 7 });
    expect((await alike((runs) => runs.batch("all"))).budget).toEqual({ usd: 7 });
    expect(await alike((runs) => runs.batch("nothing"))).toMatchObject({ createdAt: undefined });
    const cancelled = await list(remote.cancelBatch("all", never));
    expect(cancelled.map(({ error }) => error)).toEqual(Array.from({ length: 5 }, () => undefined));
    expect(await alike((runs) => runs.batchStatus("all"))).toMatchObject({ isOver: true });
    await remote.resumePool(modelIdSchema.parse("openai/held"));
  });
});

describe("pools", () => {
  afterEach(() => remote.resumePool(GPT));

  test("and workers are told alike, and are steered", async () => {
    await ended("x");
    await remote.setPool(GPT, { maxActive: 9, rpm: 60 });
    await remote.setPool(GPT, { rpm: null });
    await remote.setPool(GPT, {});
    await remote.pausePool(GPT);
    const same = (runs: RunService) =>
      runs.pools().then((pools) => pools.map(({ endedLastMinute: _, ...pool }) => pool));
    const pools = await alike(same);
    expect(pools).toContainEqual(
      expect.objectContaining({ pool: GPT, held: { kind: "paused" }, settings: { maxActive: 9 } }),
    );
    expect(await remote.pool(GPT)).toMatchObject({ pool: GPT, settings: { maxActive: 9 } });
    const unknown = modelIdSchema.parse("nobody/ever");
    await alike((runs) => runs.pool(unknown, { evenUnknown: true }));
    const [worker] = await remote.workers();
    expect(worker).toMatchObject({ patterns: ["openai/*", "anthropic/*"], workerId: expect.any(String) });
  });
});
