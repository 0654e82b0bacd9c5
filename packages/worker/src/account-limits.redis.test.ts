/** What limits of an account make of the flow of runs. How well they are kept is in test/limits. */
import type { RunId } from "@baton/core";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { failWith, openFlow } from "./testing/flow-rig.ts";
import { gpt } from "./testing/log.ts";

const redis = useRedis();

const done = () => ({ parts: [text("done")] });
const OPENAI = { api: "openai-responses" } as const;

test("where nothing limits, Redis is asked once and not for each call", async () => {
  const asked: string[] = [];
  await using flow = await openFlow(redis.url, done);
  await flow.startWorker({
    patterns: ["openai/*"],
    wrap: (ledger) => ({
      ...ledger,
      reserve: (reserve) => {
        asked.push(reserve.model);
        return ledger.reserve(reserve);
      },
      settle: () => {
        throw new Error("nothing was booked");
      },
    }),
  });
  for (let run = 0; run < 5; run += 1) {
    const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt" });
    expect(await flow.ended(runId)).toMatchObject({ status: "succeeded" });
  }
  expect(asked).toEqual(["gpt"]);
});

test("a run that must wait long gives its place back, says so, and loses no attempt; the others stay in the queue", async () => {
  await using flow = await openFlow(redis.url, done, {
    providers: { openai: { ...OPENAI, limits: { rpm: 2 } } },
    limits: { modelAttemptsMax: 1 },
  });
  const taken = new Set<RunId>();
  const worker = await flow.startWorker({
    patterns: ["openai/gpt", "anthropic/claude"],
    concurrency: 1,
    wrap: (ledger) => ({
      ...ledger,
      claim: (claim) => {
        taken.add(claim.entry.runId);
        return ledger.claim(claim);
      },
    }),
  });
  const ids: RunId[] = [];
  for (let run = 0; run < 30; run += 1) {
    ids.push((await flow.producer.submit({ input: `${run}`, model: "openai/gpt" })).runId);
  }
  const runs = () => Promise.all(ids.map(async (id) => (await flow.producer.get(id)).run));
  const waiting = await until(
    async () => (await runs()).find((run) => run.status === "queued" && run.notBefore !== undefined),
    { what: "a run that waits for the limit" },
  );
  expect(waiting.failures).toBe(0);
  expect(waiting.lastFailure).toBeUndefined();
  // The only place is free for another pool.
  const beside = await flow.producer.submit({ input: "?", model: "anthropic/claude" });
  expect(await flow.ended(beside.runId)).toMatchObject({ status: "succeeded" });
  await until(() => worker.active === 0, { what: "the worker to be idle" });
  const all = await runs();
  expect(all.filter(({ status }) => status === "succeeded")).toHaveLength(2);
  // Those that were never taken have waited for nothing: they are where they were.
  expect(ids.filter((id) => taken.has(id)).length).toBeLessThan(15);
  expect(flow.models.calls.filter(({ model }) => model === "openai/gpt")).toHaveLength(2);
});

test("a limit that is set live holds for the next call, and its end too", async () => {
  await using flow = await openFlow(redis.url, done);
  await flow.startWorker({ patterns: ["openai/gpt"], limitWindowMs: 60_000 });
  await flow.rig.ledger.setPool(gpt, { rpm: 1 });
  const submit = () => flow.producer.submit({ input: "?", model: "openai/gpt" });
  const limited = async () => (await flow.rig.ledger.limits()).some(({ requests }) => requests.limit === 1);
  await until(
    async () => {
      await flow.ended((await submit()).runId);
      return limited();
    },
    { what: "the limit to be heard of" },
  );
  const { runId } = await submit();
  await until(
    async () => {
      const { run } = await flow.producer.get(runId);
      return run.status === "queued" && run.notBefore !== undefined;
    },
    { what: "the wait" },
  );
  await flow.rig.ledger.setPool(gpt, { rpm: null });
  const next = await submit();
  expect(await flow.ended(next.runId)).toMatchObject({ status: "succeeded" });
});

test("a refusal that says nothing of limits holds all pools of the account, one that does only its own", async () => {
  const report = { requests: { limit: 100, remaining: 0, resetMs: 1_000 } };
  for (const { told, held } of [
    { told: false, held: ["openai/gpt", "xai/grok"] },
    { told: true, held: ["openai/gpt"] },
  ]) {
    await redis.connect().flushall();
    let isRefused = false;
    const provider = { ...OPENAI, account: "shared" };
    await using flow = await openFlow(
      redis.url,
      ({ model }, _signal, onDelta) => {
        if (model !== "openai/gpt" || isRefused) return done();
        isRefused = true;
        if (told) onDelta({ kind: "rate_limit", report });
        return failWith("provider_rate_limited", { after: 3_000 });
      },
      { providers: { openai: provider, xai: provider } },
    );
    await flow.startWorker();
    const beside = await flow.producer.submit({ input: "?", model: "xai/grok" });
    await flow.ended(beside.runId);
    await flow.producer.submit({ input: "?", model: "openai/gpt" });
    const holds = await until(
      async () => {
        const now = await flow.rig.ledger.holds();
        return now.size === 0 ? undefined : now;
      },
      { what: "the hold" },
    );
    expect([...holds.keys()].sort()).toEqual(held);
  }
});
