/** Budgets on a real Redis: a run stops before the call that would go over, and goes on with more. */
import type { Item } from "@baton/core";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, type Script, text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { calledOf, desk, isAfterTool, openFlow } from "./testing/flow-rig.ts";

const redis = useRedis();

/** Each scripted call takes 15 tokens, and costs what the price says. */
const TOKENS = 15;
const PRICE = 0.03;
const priced = () => PRICE;

/** Calls a tool on each of its first turns, then ends. */
const workFor =
  (toolTurns: number): Script =>
  ({ items }) => {
    const turn = items.filter((item) => item.role === "assistant").length;
    return turn < toolTurns ? { parts: [call("look", {}, `c${turn}`)] } : { parts: [text("done")] };
  };
const looking = () => desk({ look: { readOnly: true } }, () => "seen");

const rolesOf = (items: readonly Item[]) => items.map(({ role }) => role);

describe("a run with a budget", () => {
  test("in tokens waits before the call that would go over, and goes on where it was with more", async () => {
    await using flow = await openFlow(redis.url, workFor(4));
    const tools = looking();
    await flow.startWorker({ tools });
    const { runId } = await flow.producer.submit({
      input: "?",
      model: "openai/gpt",
      mcp_servers: ["desk"],
      budget: { tokens: 2 * TOKENS },
    });
    const waiting = await flow.reached(runId, "waiting");
    expect(waiting).toMatchObject({
      reason: "budget",
      detail: "the run spent 30 of its 30 tokens: resume it with a larger token budget",
      turns: 2,
    });
    // The tools of the reply that was paid have run.
    expect([flow.models.calls.length, tools.calls.length]).toEqual([2, 2]);
    const before = await flow.producer.conversation(runId);

    await flow.producer.resume(runId, { budget: { tokens: 3 * TOKENS } });
    const again = await until(
      async () => {
        const { run } = await flow.producer.get(runId);
        return run.status === "waiting" && run.turns === 3 ? run : undefined;
      },
      { what: "the second wait" },
    );
    expect(again).toMatchObject({ reason: "budget", detail: expect.stringContaining("45 of its 45") });

    await flow.producer.resume(runId, { budget: { tokens: 1_000 } });
    expect(await flow.ended(runId)).toMatchObject({ status: "succeeded", final_output: "done" });
    expect([flow.models.calls.length, tools.calls.length]).toEqual([5, 4]);
    const items = await flow.producer.conversation(runId);
    expect(items.slice(0, before.length)).toEqual(before);
    expect(rolesOf(items).filter((role) => role === "control")).toHaveLength(2);
  });

  test("that is resumed without more waits again, and buys nothing", async () => {
    await using flow = await openFlow(redis.url, workFor(3));
    await flow.startWorker({ tools: looking() });
    const { runId } = await flow.producer.submit({
      input: "?",
      model: "openai/gpt",
      mcp_servers: ["desk"],
      budget: { tokens: 1 },
    });
    const { epoch } = await flow.reached(runId, "waiting");
    await flow.producer.resume(runId);
    await until(
      async () => {
        const { run } = await flow.producer.get(runId);
        return run.status === "waiting" && run.epoch > epoch;
      },
      { what: "the second wait" },
    );
    expect(flow.models.calls).toHaveLength(1);
  });

  test("in USD counts what each reply cost, over handoffs too", async () => {
    await using flow = await openFlow(redis.url, () => ({ parts: [text("step")] }));
    await flow.startWorker({ price: priced });
    const { runId } = await flow.producer.submit({
      input: "?",
      phases: [{ model: "openai/gpt" }, { model: "anthropic/claude" }, { model: "openai/gpt" }],
      budget: { usd: 2 * PRICE },
    });
    expect(await flow.reached(runId, "waiting")).toMatchObject({
      reason: "budget",
      detail: "the run spent 0.0600 of its 0.06 USD: resume it with a larger budget",
      costUsd: 2 * PRICE,
    });
    await flow.producer.resume(runId, { budget: { usd: 1 } });
    expect(await flow.ended(runId)).toMatchObject({ status: "succeeded" });
    expect(flow.models.calls).toHaveLength(3);
  });

  test("in USD and a model without a price says so before the first call, and takes a token budget instead", async () => {
    await using flow = await openFlow(redis.url, workFor(0));
    await flow.startWorker();
    const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt", budget: { usd: 5 } });
    expect(await flow.reached(runId, "waiting")).toMatchObject({
      reason: "budget",
      detail: expect.stringContaining('the price of openai/gpt is not known: set models["openai/gpt"].price'),
    });
    expect(flow.models.calls).toHaveLength(0);
  });

  test("that failed is retried with another one", async () => {
    await using flow = await openFlow(redis.url, workFor(2));
    await flow.startWorker({ tools: looking() });
    const { runId } = await flow.producer.submit({
      input: "?",
      model: "openai/gpt",
      mcp_servers: ["desk"],
      budget: { tokens: TOKENS },
    });
    await flow.reached(runId, "waiting");
    await flow.producer.cancel(runId);
    await flow.producer.retry(runId, { budget: { tokens: 100 } });
    expect(await flow.ended(runId)).toMatchObject({ status: "succeeded" });
    expect(flow.models.calls).toHaveLength(3);
  });
});

describe("a batch with a budget", () => {
  const submitAll = (producer: Awaited<ReturnType<typeof openFlow>>["producer"], runs: number) =>
    Promise.all(
      Array.from({ length: runs }, (_, index) =>
        producer.submit(
          { input: `${index}`, model: "openai/gpt" },
          { batch: { id: "b1", customId: `c${index}` } },
        ),
      ),
    );
  const waitingIn = { status: "waiting", reason: "budget", batch: "b1" } as const;
  const countOf = async (runs: AsyncIterable<unknown>) => (await Array.fromAsync(runs)).length;

  test("stops all of its runs on all workers, and lets them go on when it is raised", async () => {
    await using flow = await openFlow(redis.url, workFor(0));
    await flow.producer.setBatchBudget("b1", { tokens: 3 * TOKENS });
    await submitAll(flow.producer, 12);
    const other = await flow.producer.submit({ input: "x", model: "openai/gpt" });
    await flow.startWorker({ concurrency: 1 });
    await flow.startWorker({ concurrency: 1 });
    await flow.ended(other.runId);
    await until(async () => (await countOf(flow.producer.select({ status: "queued" }))) === 0, {
      what: "an empty queue",
    });
    const waiting = await until(
      async () => {
        const [waits, done] = await Promise.all([
          countOf(flow.producer.select(waitingIn)),
          countOf(flow.producer.select({ status: "succeeded", batch: "b1" })),
        ]);
        return waits + done === 12 && waits;
      },
      { what: "all runs to wait or to be done" },
    );
    // Two places in all: at most one call was under way beside the one that spent the last of it.
    expect(12 - waiting).toBeGreaterThanOrEqual(3);
    expect(12 - waiting).toBeLessThanOrEqual(4);
    const spent = await flow.producer.batch("b1");
    expect(spent).toMatchObject({ tokens: (12 - waiting) * TOKENS, budget: { tokens: 45 } });
    expect(flow.models.calls).toHaveLength(12 - waiting + 1);

    await flow.producer.setBatchBudget("b1", { tokens: 1_000 });
    const resumed = await Array.fromAsync(flow.producer.each(waitingIn, (id) => flow.producer.resume(id)));
    expect(resumed).toHaveLength(waiting);
    await until(
      async () => (await countOf(flow.producer.select({ status: "succeeded", batch: "b1" }))) === 12,
      {
        what: "all runs to be done",
      },
    );
    expect(await flow.producer.batch("b1")).toMatchObject({ tokens: 12 * TOKENS, unpricedReplies: 12 });
    expect(flow.models.calls).toHaveLength(13);
  });

  test("stops a run between its turns, at work though it is", async () => {
    await using flow = await openFlow(redis.url, workFor(5));
    await flow.producer.setBatchBudget("b1", { tokens: 2 * TOKENS });
    await flow.startWorker({ tools: looking() });
    const { runId } = await flow.producer.submit(
      { input: "?", model: "openai/gpt", mcp_servers: ["desk"] },
      { batch: { id: "b1", customId: "c" } },
    );
    expect(await flow.reached(runId, "waiting")).toMatchObject({
      reason: "budget",
      detail: "the batch b1 spent its budget: raise the budget of the batch, then resume the run",
      turns: 2,
    });
    expect(flow.models.calls).toHaveLength(2);
  });

  test("in USD adds up the costs, and wants prices", async () => {
    await using flow = await openFlow(redis.url, workFor(0));
    await flow.producer.setBatchBudget("b1", { usd: 1 });
    await flow.startWorker({ price: (model) => (model === "openai/gpt" ? PRICE : null) });
    const runs = await submitAll(flow.producer, 3);
    for (const { runId } of runs) expect(await flow.ended(runId)).toMatchObject({ status: "succeeded" });
    expect(await flow.producer.batch("b1")).toMatchObject({ costUsd: 3 * PRICE, unpricedReplies: 0 });
    const { runId } = await flow.producer.submit(
      { input: "?", model: "anthropic/claude" },
      { batch: { id: "b1", customId: "other" } },
    );
    expect(await flow.reached(runId, "waiting")).toMatchObject({
      reason: "budget",
      detail: expect.stringContaining("the batch b1 has a budget in USD and the price of anthropic/claude"),
    });
  });
});

describe("costs", () => {
  test("add up in the run, its phases and its result", async () => {
    await using flow = await openFlow(redis.url, (request) =>
      isAfterTool(request) || request.model !== "openai/gpt"
        ? { parts: [text("on")] }
        : { parts: [call("look")] },
    );
    await flow.startWorker({ tools: looking(), price: (model) => (model === "openai/gpt" ? 0.01 : 0.2) });
    const { runId } = await flow.producer.submit({
      input: "?",
      phases: [{ model: "openai/gpt" }, { model: "anthropic/claude" }],
      mcp_servers: ["desk"],
    });
    const result = await flow.ended(runId);
    expect(calledOf(flow.models)).toEqual(["openai/gpt", "openai/gpt", "anthropic/claude"]);
    expect(result.phases.map((phase) => phase.cost_usd)).toEqual([0.02, 0.2]);
    expect(result.cost_usd).toBeCloseTo(0.22, 9);
    const { run } = await flow.producer.get(runId);
    expect(run.phases.map((phase) => phase.costUsd)).toEqual([0.02, 0.2]);
    expect(run.costUsd).toBeCloseTo(0.22, 9);
    const items = await flow.producer.conversation(runId);
    expect(items.flatMap(({ costUsd }) => (costUsd === undefined ? [] : [costUsd]))).toEqual([
      0.01, 0.01, 0.2,
    ]);
  });

  test("are not known where one price is not, and the others still are", async () => {
    await using flow = await openFlow(redis.url, () => ({ parts: [text("on")] }));
    await flow.startWorker({ price: (model) => (model === "openai/gpt" ? 0.01 : null) });
    const { runId } = await flow.producer.submit({
      input: "?",
      phases: [{ model: "openai/gpt" }, { model: "anthropic/claude" }],
    });
    const result = await flow.ended(runId);
    expect(result).toMatchObject({ cost_usd: null, phases: [{ cost_usd: 0.01 }, { cost_usd: null }] });
  });
});
