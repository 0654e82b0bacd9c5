/** A provider that says "too many requests" slows down the whole pool, and burns no run's attempts. */
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { failWith, openFlow, watchBeats } from "./testing/flow-rig.ts";
import { gpt } from "./testing/log.ts";

const redis = useRedis();

const AFTER_MS = 2_500;
const limited = () => failWith("provider_rate_limited", { after: AFTER_MS }, "429: slow down");

test("while the pool is held no run of it calls the model, on any worker; then all go on, none with a failure", async () => {
  let limitedAt = 0;
  const calledAt: number[] = [];
  await using flow = await openFlow(
    redis.url,
    ({ model }) => {
      if (model !== "openai/gpt") return { parts: [text("beside")] };
      calledAt.push(performance.now());
      if (limitedAt > 0) return { parts: [text("done")] };
      limitedAt = performance.now();
      return limited();
    },
    // Were a rate limit a failure, the first would be the last.
    { limits: { modelAttemptsMax: 1 } },
  );
  const patterns = ["openai/gpt", "anthropic/claude"];
  const beats = [watchBeats(), watchBeats()];
  for (const { wrap } of beats) await flow.startWorker({ patterns, wrap });
  const first = await flow.producer.submit({ input: "first", model: "openai/gpt" });
  await until(async () => (await flow.rig.ledger.holds()).has(gpt), { what: "the hold" });
  expect((await flow.rig.ledger.holds()).get(gpt)).toBeGreaterThan(AFTER_MS / 2);
  await Promise.all(beats.map((beat) => beat.next()));
  const others = await Promise.all(
    Array.from({ length: 6 }, (_, index) => flow.producer.submit({ input: `${index}`, model: "openai/gpt" })),
  );
  const beside = await flow.producer.submit({ input: "?", model: "anthropic/claude" });
  expect(await flow.ended(beside.runId)).toMatchObject({ status: "succeeded" });
  expect(calledAt).toHaveLength(1);
  const waiting = (await flow.producer.get(first.runId)).run;
  expect(waiting).toMatchObject({
    status: "queued",
    failures: 1,
    lastFailure: { code: "provider_rate_limited", message: "429: slow down" },
  });

  for (const { runId } of [first, ...others]) {
    expect(await flow.ended(runId)).toMatchObject({ status: "succeeded", final_output: "done" });
    expect((await flow.producer.get(runId)).run).toMatchObject({ failures: 0, turns: 1 });
  }
  // Clocks: Redis' milliseconds are cut, so a hold may look a millisecond shorter from here.
  for (const at of calledAt.slice(1)) expect(at - limitedAt).toBeGreaterThan(AFTER_MS - 5);
  expect(Math.min(...calledAt.slice(1)) - limitedAt).toBeLessThan(AFTER_MS + 2_500);
  expect(calledAt).toHaveLength(8);
});

test("runs at work when the limit is met make room without a failure", async () => {
  const go = Promise.withResolvers<void>();
  let calls = 0;
  await using flow = await openFlow(
    redis.url,
    async ({ items }) => {
      calls += 1;
      const [part] = items[0]?.parts ?? [];
      if (part?.type === "text" && part.text === "limited" && calls === 2) return limited();
      if (calls > 2) return { parts: [text("done")] };
      await go.promise;
      return { parts: [text("paused")], stopReason: "pause_turn" as const };
    },
    { limits: { modelAttemptsMax: 1 } },
  );
  const worker = await flow.startWorker({ patterns: ["openai/gpt"] });
  const atWork = await flow.producer.submit({ input: "at work", model: "openai/gpt" });
  await until(() => calls === 1, { what: "the first call" });
  await flow.producer.submit({ input: "limited", model: "openai/gpt" });
  await until(async () => (await flow.rig.ledger.holds()).has(gpt), { what: "the hold" });
  go.resolve();
  await until(() => worker.active === 0, { what: "the pool to be idle" });
  expect(calls).toBe(2);
  const { run } = await flow.producer.get(atWork.runId);
  expect(run).toMatchObject({ status: "queued", turns: 1, failures: 0 });
  expect(run.lastFailure).toBeUndefined();
  expect(await flow.ended(atWork.runId)).toMatchObject({ status: "succeeded" });
});

test("a provider that never lets up fails the run after rateLimitAttemptsMax, with its error", async () => {
  await using flow = await openFlow(redis.url, () => failWith("provider_rate_limited", { after: 1 }), {
    limits: { rateLimitAttemptsMax: 3, modelAttemptsMax: 1 },
  });
  await flow.startWorker();
  const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt" });
  expect(await flow.ended(runId)).toMatchObject({
    status: "failed",
    error: { code: "provider_rate_limited" },
  });
  expect(flow.models.calls).toHaveLength(3);
});
