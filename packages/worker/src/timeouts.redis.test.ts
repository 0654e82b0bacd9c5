/** Bounds in time, on a real Redis: of a phase's work, and of each model call. */
import type { ModelRequest } from "@baton/core";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { aborted, desk, failWith, isAfterTool, openFlow } from "./testing/flow-rig.ts";

const redis = useRedis();

describe("a phase", () => {
  test("that works past its timeout is aborted and fails; what was written stays, and a retry has as long again", async () => {
    let calls = 0;
    const tools = desk({ look: { readOnly: true } }, () => "seen");
    await using flow = await openFlow(redis.url, async (request, signal) => {
      calls += 1;
      if (!isAfterTool(request)) return { parts: [call("look")] };
      if (calls === 2) await aborted(signal);
      return { parts: [text("done")] };
    });
    await flow.startWorker({ tools });
    const { runId } = await flow.producer.submit({
      input: "?",
      model: "openai/gpt",
      mcp_servers: ["desk"],
      phase_timeout: 0.8,
    });
    const startedAt = performance.now();
    const result = await flow.ended(runId);
    expect(performance.now() - startedAt).toBeGreaterThan(700);
    expect(result).toMatchObject({
      status: "failed",
      error: {
        code: "phase_timeout",
        message: "phase 0 took longer than its timeout: a retry gives it as long again",
      },
      phases: [{ turns: 1, status: "failed" }],
    });
    await flow.producer.retry(runId);
    expect(await flow.ended(runId)).toMatchObject({ status: "succeeded", final_output: "done" });
    expect([calls, tools.calls.length]).toEqual([3, 1]);
  });

  test("is not at work while it waits for people", async () => {
    const tools = desk({ send: { approval: true } }, () => "sent");
    await using flow = await openFlow(redis.url, (request) => ({
      parts: isAfterTool(request) ? [text("done")] : [call("send")],
    }));
    await flow.startWorker({ tools });
    const { runId } = await flow.producer.submit({
      input: "?",
      model: "openai/gpt",
      mcp_servers: ["desk"],
      phase_timeout: 1,
    });
    await flow.reached(runId, "waiting");
    const endsAt = performance.now() + 1_500;
    await until(() => performance.now() > endsAt, { what: "more than the timeout to pass" });
    await flow.producer.approve(runId);
    expect(await flow.ended(runId)).toMatchObject({ status: "succeeded", final_output: "done" });
  });

  test("is measured over all of its attempts, and not over what it waits between them", async () => {
    const [workMs, waitMs, timeoutMs] = [150, 400, 600];
    await using flow = await openFlow(redis.url, async () => {
      const endsAt = performance.now() + workMs;
      await until(() => performance.now() > endsAt, { what: "the end of a slow attempt" });
      return failWith("provider_overloaded", { after: waitMs });
    });
    await flow.startWorker();
    const startedAt = performance.now();
    const { runId } = await flow.producer.submit({
      input: "?",
      model: "openai/gpt",
      phase_timeout: timeoutMs / 1_000,
    });
    expect(await flow.ended(runId)).toMatchObject({ status: "failed", error: { code: "phase_timeout" } });
    // Two attempts and a wait would have used it up if the wait counted.
    expect(flow.models.calls.length).toBeGreaterThan(2);
    expect(performance.now() - startedAt).toBeGreaterThan(timeoutMs + 2 * waitMs);
  });

  test("of a pipeline has its own time, and the next begins anew", async () => {
    await using flow = await openFlow(redis.url, async ({ model }, signal) => {
      const endsAt = performance.now() + 500;
      if (model === "xai/grok") await aborted(signal);
      else await until(() => performance.now() > endsAt, { what: "half a second" });
      return { parts: [text("done")] };
    });
    await flow.startWorker();
    const steps = [{ model: "openai/gpt" }, { model: "anthropic/claude" }];
    const well = await flow.producer.submit({ input: "?", phases: steps, phase_timeout: 0.9 });
    expect(await flow.ended(well.runId)).toMatchObject({ status: "succeeded" });
    const ill = await flow.producer.submit({
      input: "?",
      phases: [{ model: "openai/gpt" }, { model: "xai/grok", timeout: 0.3 }],
      phase_timeout: 20,
    });
    expect(await flow.ended(ill.runId)).toMatchObject({
      status: "failed",
      error: { code: "phase_timeout", message: expect.stringContaining("phase 1") },
    });
  });

  test("aborts a tool that runs past it", async () => {
    let abortedWith: unknown;
    const tools = desk({ dig: {} }, async (_, signal) => {
      await aborted(signal);
      abortedWith = signal.reason;
      signal.throwIfAborted();
      return "never";
    });
    await using flow = await openFlow(redis.url, () => ({ parts: [call("dig")] }));
    await flow.startWorker({ tools });
    const { runId } = await flow.producer.submit({
      input: "?",
      model: "openai/gpt",
      mcp_servers: ["desk"],
      phase_timeout: 0.3,
    });
    expect(await flow.ended(runId)).toMatchObject({ status: "failed", error: { code: "phase_timeout" } });
    expect(abortedWith).toMatchObject({ why: "timeout" });
  });
});

test("a call timeout is told to the adapter of each call, and is left out where the spec has none", async () => {
  const timeouts: ModelRequest["timeoutMs"][] = [];
  await using flow = await openFlow(redis.url, ({ timeoutMs }) => {
    timeouts.push(timeoutMs);
    return { parts: [text("done")] };
  });
  await flow.startWorker();
  const first = await flow.producer.submit({ input: "?", model: "openai/gpt", call_timeout: 1.5 });
  await flow.ended(first.runId);
  const second = await flow.producer.submit({ input: "?", model: "openai/gpt" });
  await flow.ended(second.runId);
  expect(timeouts).toEqual([1_500, undefined]);
});
