/** Steering runs that are at work, on a real Redis: what people do is heard by the worker that holds the claim, at once. */
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { openRig } from "../../../test/support/worker-rig.ts";
import { aborted, desk, isAfterTool, openFlow, watchBeats } from "./testing/flow-rig.ts";
import { gpt } from "./testing/log.ts";

const redis = useRedis();

/** Well before the next beat by the clock: what comes so early came by the control channel. */
const AT_ONCE_MS = 800;

describe("a cancel", () => {
  test("aborts a model call that another process is in, within a second", async () => {
    const beats = watchBeats();
    let abortedAt = 0;
    await using flow = await openFlow(redis.url, async (_, signal) => {
      await aborted(signal);
      abortedAt = performance.now();
      return { parts: [text("never")] };
    });
    await flow.startWorker({ wrap: beats.wrap });
    // Of the worker, this producer knows Redis alone: its connections and its hub are its own.
    await using other = await openRig(redis.url);
    const { runId } = await other.producer.submit({ input: "?", model: "openai/gpt" });
    await until(() => flow.models.calls.length === 1, { what: "the model call" });
    await beats.next();
    const cancelledAt = performance.now();
    await other.producer.cancel(runId);
    await until(() => abortedAt > 0, { what: "the abort" });
    expect(abortedAt - cancelledAt).toBeLessThan(AT_ONCE_MS);
    expect(await flow.ended(runId)).toMatchObject({ status: "cancelled", final_output: null });
    expect(await flow.producer.conversation(runId)).toHaveLength(1);
  });

  test("aborts a tool that is running, within a second, and writes no result", async () => {
    const beats = watchBeats();
    let abortedAt = 0;
    const tools = desk({ dig: {} }, async (_, signal) => {
      await aborted(signal);
      abortedAt = performance.now();
      signal.throwIfAborted();
      return "never";
    });
    await using flow = await openFlow(redis.url, () => ({ parts: [call("dig")] }));
    await flow.startWorker({ tools, wrap: beats.wrap });
    await using other = await openRig(redis.url);
    const { runId } = await other.producer.submit({ input: "?", model: "openai/gpt", mcp_servers: ["desk"] });
    await until(() => tools.calls.length === 1, { what: "the tool call" });
    await beats.next();
    const cancelledAt = performance.now();
    await other.producer.cancel(runId);
    await until(() => abortedAt > 0, { what: "the abort" });
    expect(abortedAt - cancelledAt).toBeLessThan(AT_ONCE_MS);
    const items = await flow.producer.conversation(runId);
    expect(items.map(({ parts: [part] }) => part?.type)).toEqual(["text", "tool_call", "tool_started"]);
    expect(flow.models.calls).toHaveLength(1);
  });

  test("leaves the other runs of the worker at work", async () => {
    const go = Promise.withResolvers<void>();
    await using flow = await openFlow(redis.url, async (_, signal) => {
      await Promise.race([aborted(signal), go.promise]);
      return { parts: [text("done")] };
    });
    const worker = await flow.startWorker();
    const [first, second] = await Promise.all(
      ["a", "b"].map((input) => flow.producer.submit({ input, model: "openai/gpt" })),
    );
    if (first === undefined || second === undefined) throw new Error("two runs were submitted");
    await until(() => flow.models.calls.length === 2, { what: "both model calls" });
    await flow.producer.cancel(first.runId);
    await until(() => worker.active === 1, { what: "the end of the cancelled one" });
    go.resolve();
    expect(await flow.ended(second.runId)).toMatchObject({ status: "succeeded" });
    expect(await flow.ended(first.runId)).toMatchObject({ status: "cancelled" });
  });
});

describe("a pause of a run", () => {
  test("lets the current turn end, and the next one waits until it is resumed", async () => {
    const go = Promise.withResolvers<void>();
    const tools = desk({ look: { readOnly: true } }, () => "seen");
    await using flow = await openFlow(redis.url, async (request, signal) => {
      if (isAfterTool(request)) return { parts: [text("done")] };
      await Promise.race([aborted(signal), go.promise]);
      return { parts: [call("look")] };
    });
    await flow.startWorker({ tools });
    const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt", mcp_servers: ["desk"] });
    await until(() => flow.models.calls.length === 1, { what: "the model call" });
    await flow.producer.pause(runId);
    expect((await flow.producer.get(runId)).run).toMatchObject({ status: "running", pausing: true });
    go.resolve();
    expect(await flow.reached(runId, "waiting")).toMatchObject({ reason: "paused", turns: 1 });
    // The turn is whole: its call was made and answered.
    expect(tools.calls).toHaveLength(1);
    expect(flow.models.calls).toHaveLength(1);
    await flow.producer.resume(runId);
    expect(await flow.ended(runId)).toMatchObject({ status: "succeeded", final_output: "done" });
    expect([flow.models.calls.length, tools.calls.length]).toEqual([2, 1]);
  });
});

describe("a paused pool", () => {
  test("starts no phase, on workers that were there and on new ones, and goes on soon after the resume", async () => {
    await using flow = await openFlow(redis.url, () => ({ parts: [text("done")] }));
    const beats = watchBeats();
    await flow.startWorker({ patterns: ["openai/gpt", "anthropic/claude"], wrap: beats.wrap });
    await using other = await openRig(redis.url);
    await other.producer.pausePool(gpt);
    await beats.next();
    // A run of another pool goes through while nothing of this one starts.
    const first = await Promise.all(
      Array.from({ length: 3 }, () => flow.producer.submit({ input: "?", model: "openai/gpt" })),
    );
    await flow.startWorker({ patterns: ["openai/gpt"] });
    const beside = await flow.producer.submit({ input: "?", model: "anthropic/claude" });
    expect(await flow.ended(beside.runId)).toMatchObject({ status: "succeeded" });
    const endsAt = performance.now() + 2_500;
    await until(
      async () => {
        expect(flow.models.calls.filter(({ model }) => model === "openai/gpt")).toEqual([]);
        return performance.now() > endsAt;
      },
      { what: "two beats and more to pass" },
    );
    for (const { runId } of first) {
      expect((await flow.producer.get(runId)).run).toMatchObject({ status: "queued", failures: 0 });
    }
    const resumedAt = performance.now();
    await other.producer.resumePool(gpt);
    for (const { runId } of first) expect(await flow.ended(runId)).toMatchObject({ status: "succeeded" });
    expect(performance.now() - resumedAt).toBeLessThan(3_000);
  });

  test("lets phases at work end their turn; then they make room, and go on where they were", async () => {
    const go = Promise.withResolvers<void>();
    const tools = desk({ look: { readOnly: true } }, () => "seen");
    await using flow = await openFlow(redis.url, async (request, signal) => {
      if (isAfterTool(request)) return { parts: [text("done")] };
      await Promise.race([aborted(signal), go.promise]);
      return { parts: [call("look")] };
    });
    const beats = watchBeats();
    const worker = await flow.startWorker({ tools, wrap: beats.wrap });
    const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt", mcp_servers: ["desk"] });
    await until(() => flow.models.calls.length === 1, { what: "the model call" });
    await flow.producer.pausePool(gpt);
    await beats.next();
    go.resolve();
    await until(() => worker.active === 0, { what: "the phase to make room" });
    expect((await flow.producer.get(runId)).run).toMatchObject({ status: "queued", turns: 1, failures: 0 });
    expect([flow.models.calls.length, tools.calls.length]).toEqual([1, 1]);
    await flow.producer.resumePool(gpt);
    expect(await flow.ended(runId)).toMatchObject({ status: "succeeded", final_output: "done" });
    expect([flow.models.calls.length, tools.calls.length]).toEqual([2, 1]);
  });

  test("serves as before when it was paused and resumed many times in a row", async () => {
    await using flow = await openFlow(redis.url, () => ({ parts: [text("done")] }));
    await flow.startWorker({ patterns: ["openai/gpt"] });
    for (let round = 0; round < 20; round += 1) {
      await flow.producer.pausePool(gpt);
      await flow.producer.submit({ input: "?", model: "openai/gpt" });
      await flow.producer.resumePool(gpt);
    }
    await until(
      async () => (await Array.fromAsync(flow.producer.select({ status: "succeeded" }))).length === 20,
      { what: "all runs to end" },
    );
    // One call for each: no fetcher works twice.
    expect(flow.models.calls).toHaveLength(20);
  });

  test("does not keep its worker from stopping, and is found paused by the next", async () => {
    await using flow = await openFlow(redis.url, () => ({ parts: [text("done")] }));
    const worker = await flow.startWorker();
    await flow.producer.pausePool(gpt);
    const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt" });
    await worker.stop(1_000);
    await flow.startWorker({ patterns: ["openai/gpt", "anthropic/claude"] });
    const beside = await flow.producer.submit({ input: "?", model: "anthropic/claude" });
    await flow.ended(beside.runId);
    expect((await flow.producer.get(runId)).run).toMatchObject({ status: "queued", turns: 0 });
    await flow.producer.resumePool(gpt);
    expect(await flow.ended(runId)).toMatchObject({ status: "succeeded" });
  });
});
