import { newOperationId } from "@baton/core";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { systemIds } from "../../../test/support/worker-rig.ts";
import { aborted, desk, failWith, isAfterTool, openFlow } from "./testing/flow-rig.ts";
import { claude, gpt } from "./testing/log.ts";
import { recordSignals } from "./testing/recorded-signals.ts";

const redis = useRedis();

test("the hooks are told of each phase, call, failure, retry and tool, in their order", async () => {
  const tools = desk({ look: { readOnly: true } }, () => "found");
  let failures = 0;
  await using flow = await openFlow(redis.url, (request) => {
    if (request.model === claude) return { parts: [text("done")] };
    failures += 1;
    if (failures === 1) failWith("provider_overloaded", { after: 1 });
    if (isAfterTool(request)) {
      return { parts: [call("transfer_to_anthropic_claude", { reason: "r", brief: "b" })] };
    }
    return { parts: [text("I look"), call("look"), call("transfer_to_xai", {}, "call_2")] };
  });
  const { signals, told } = recordSignals();
  await flow.startWorker({ tools, signals, price: () => 0.5 });
  const { runId } = await flow.producer.submit({ input: "go", model: [gpt, claude], mcp_servers: ["desk"] });
  expect((await flow.ended(runId)).status).toBe("succeeded");
  const first = told.slice(0, 4);
  expect(first).toEqual([
    `phase 0 ${gpt}`,
    "  call failed: provider_overloaded",
    "  retried: provider_overloaded",
    `ended 0 ${gpt}: backoff, requeue committed`,
  ]);
  expect(told.slice(4, 6)).toEqual([`phase 0 ${gpt}`, "  reply: 10 in, 0.5 USD, with deltas"]);
  // Two tools of one turn are answered side by side.
  expect(told.slice(6, 8).toSorted()).toEqual(["  tool look: ok", "  tool not run: refused"]);
  await until(() => told.length === 13, { what: "the end of the last phase" });
  expect(told.slice(8)).toEqual([
    "  reply: 10 in, 0.5 USD, no deltas",
    `ended 0 ${gpt}: handoff, handoff committed`,
    `phase 1 ${claude}`,
    "  reply: 10 in, 0.5 USD, with deltas",
    `ended 1 ${claude}: succeed, succeeded committed`,
  ]);
});

test("a worker whose claim was taken away tells that its write was refused, and that nothing was committed", async () => {
  let release = (): void => undefined;
  await using flow = await openFlow(redis.url, async () => {
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    return { parts: [text("late")] };
  });
  const { signals, told } = recordSignals();
  // Its beats tell it nothing, so that its own write finds out.
  await flow.startWorker({
    signals,
    wrap: (ledger) => ({
      ...ledger,
      beat: async (...args) => ({ ...(await ledger.beat(...args)), lost: [] }),
    }),
  });
  const { runId } = await flow.producer.submit({ input: "go", model: gpt });
  await until(() => flow.models.calls.length === 1, { what: "the model call" });
  await flow.rig.ledger.cancel(runId, newOperationId(systemIds));
  release();
  await until(() => told.some((line) => line.startsWith("ended")), { what: "the end of the phase" });
  expect(told).toEqual([
    `phase 0 ${gpt}`,
    "  reply: 10 in, ? USD, with deltas",
    "  fenced",
    `ended 0 ${gpt}: lost, nothing committed`,
  ]);
});

test("a run that is cancelled loses its call; one that no claim can take any more is told as ended", async () => {
  await using flow = await openFlow(redis.url, async (_request, signal) => {
    await aborted(signal);
    return { parts: [] };
  });
  const { signals, told } = recordSignals();
  await flow.startWorker({ signals });
  const { runId } = await flow.producer.submit({ input: "go", model: gpt });
  await until(() => flow.models.calls.length === 1, { what: "the model call" });
  await flow.producer.cancel(runId);
  await until(() => told.some((line) => line.startsWith("ended")), { what: "the end of the phase" });
  expect(told).toEqual([`phase 0 ${gpt}`, "  call lost", `ended 0 ${gpt}: lost, nothing committed`]);

  const late = await flow.producer.submit({ input: "go", model: claude, timeout: 1 });
  expect((await flow.ended(late.runId)).error?.code).toBe("deadline");
  await until(() => told.includes("run ended: failed deadline"), { what: "the end of the late run" });
});
