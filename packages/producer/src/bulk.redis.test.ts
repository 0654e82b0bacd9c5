/** Acts on many runs at once, on a real Redis: by status, batch, error, pool, reason and metadata. */
import { BatonError, type RunId, type ToolHost } from "@baton/core";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, type Script, scriptedModels, text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { openRig } from "../../../test/support/worker-rig.ts";
import type { RunFilter } from "./page-runs.ts";
import { claude } from "./testing/log.ts";

const redis = useRedis();

const desk: ToolHost = {
  list: async () => ({
    tools: [
      {
        name: "look",
        description: "looks",
        inputSchema: { type: "object" },
        ...{ readOnly: true, idempotent: true, approval: false },
        origin: { kind: "mcp", server: "desk", tool: "look" },
      },
    ],
    problems: [],
  }),
  call: async () => ({ isError: false, content: [{ type: "text", text: "seen" }] }),
  close: async () => undefined,
};

async function openScripted(script: Script) {
  const rig = await openRig(redis.url);
  const models = scriptedModels(script);
  const { producer } = rig;
  let submitted = 0;
  const startWorker = () =>
    rig.startWorker({
      adapters: models.adapters,
      patterns: ["openai/*", "anthropic/*"],
      tools: desk,
      capabilities: new Set(["server:desk"]),
    });
  const submit = async (count: number, spec: object, batch?: string): Promise<readonly RunId[]> => {
    const all = Array.from({ length: count }, () => {
      submitted += 1;
      const options = batch === undefined ? {} : { batch: { id: batch, customId: `c${submitted}` } };
      return producer.submit({ input: "?", model: "openai/gpt", ...spec }, options);
    });
    return (await Promise.all(all)).map(({ runId }) => runId);
  };
  const found = async (filter: RunFilter) =>
    (await Array.fromAsync(producer.select(filter))).map(({ id }) => id);
  const untilFound = (filter: RunFilter, count: number) =>
    until(async () => (await found(filter)).length === count, {
      what: `${count} runs by ${JSON.stringify(filter)}`,
      withinMs: 20_000,
    });
  return {
    ...{ rig, producer, models, startWorker, submit, found, untilFound },
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

describe("the failed runs of a batch, retried", () => {
  test("go on from their last written turn, all of them and no others", async () => {
    let isDown = true;
    await using scripted = await openScripted(({ items, model }) => {
      if (!items.some(({ role }) => role === "tool")) return { parts: [call("look")] };
      if (isDown) throw new BatonError("provider_auth", `${model} is down`);
      return { parts: [text("done")] };
    });
    const { producer, models, submit, found, untilFound } = scripted;
    await scripted.startWorker();
    // More than are acted on at once.
    const inBatch = await submit(120, { mcp_servers: ["desk"] }, "b1");
    const others = await submit(2, { mcp_servers: ["desk"] });
    await untilFound({ status: "failed" }, 122);
    expect(models.calls).toHaveLength(2 * 122);
    isDown = false;

    const failed = { status: "failed", batch: "b1", error: "provider_auth" } as const;
    const done = await Array.fromAsync(producer.each(failed, (id) => producer.retry(id)));
    expect(new Set(done.map(({ id }) => id))).toEqual(new Set(inBatch));
    expect(done.filter(({ error }) => error !== undefined)).toEqual([]);
    await untilFound({ status: "succeeded", batch: "b1" }, 120);
    // Each bought the one reply that was missing.
    expect(models.calls).toHaveLength(2 * 122 + 120);
    expect(new Set(await found({ status: "failed" }))).toEqual(new Set(others));
    expect(await found(failed)).toEqual([]);
    const { run } = await producer.get(inBatch[0] ?? others[0] ?? failId());
    expect(run).toMatchObject({ status: "succeeded", turns: 2, failures: 0 });
  });

  test("tell of each that was not possible, and go on with the rest", async () => {
    await using scripted = await openScripted(() => {
      throw new BatonError("provider_auth", "down");
    });
    const { producer, submit, untilFound } = scripted;
    await scripted.startWorker();
    const ids = await submit(3, {});
    await untilFound({ status: "failed" }, 3);
    const [, moved] = ids;
    const done = await Array.fromAsync(
      producer.each({ status: "failed" }, async (id) => {
        if (id === moved) await producer.cancel(id);
        else await producer.retry(id, { input: "once more" });
      }),
    );
    expect(done).toHaveLength(3);
    expect(done.filter(({ error }) => error !== undefined)).toMatchObject([
      { id: moved, error: { code: "not_possible" } },
    ]);
    await untilFound({ status: "failed" }, 3);
  });
});

function failId(): never {
  throw new Error("no run was submitted");
}

describe("runs are selected", () => {
  test("by status, batch, pool, metadata and number, the newest first", async () => {
    await using scripted = await openScripted(() => ({ parts: [text("done")] }));
    const { producer, submit, found } = scripted;
    const a = await submit(3, { metadata: { team: "red", kind: "x" } }, "b1");
    const b = await submit(2, { model: "anthropic/claude", metadata: { team: "blue" } }, "b1");
    const c = await submit(2, { model: "anthropic/opus" }, "b2");
    const queued = { status: "queued" } as const;
    const newest = (...ids: readonly RunId[]) => [...ids].sort().reverse();
    expect(await found(queued)).toEqual(newest(...a, ...c, ...b));
    expect(await found({ ...queued, limit: 2 })).toEqual(newest(...a, ...b, ...c).slice(0, 2));
    expect(await found({ ...queued, limit: 0 })).toEqual([]);
    expect(await found({ ...queued, batch: "b1" })).toEqual(newest(...a, ...b));
    expect(await found({ ...queued, batch: "none" })).toEqual([]);
    expect(await found({ ...queued, pool: "anthropic/claude" })).toEqual(newest(...b));
    expect(await found({ ...queued, pool: "anthropic/*" })).toEqual(newest(...b, ...c));
    expect(await found({ ...queued, metadata: { team: "red" } })).toEqual(newest(...a));
    expect(await found({ ...queued, metadata: { team: "red", kind: "y" } })).toEqual([]);
    expect(await found({ status: "running" })).toEqual([]);
    await producer.cancel(a[0] ?? failId());
    expect(await found({ status: "cancelled", batch: "b1" })).toEqual([a[0]]);
    expect(await found({ ...queued, batch: "b1" })).toHaveLength(4);
  });

  test("by what they wait for and by the error that they ended with", async () => {
    await using scripted = await openScripted(({ model }) => {
      if (model === "anthropic/claude") throw new BatonError("provider_rejected", "no");
      return { parts: [call("mine")] };
    });
    const { producer, submit, found, untilFound } = scripted;
    const tools = [{ type: "function", function: { name: "mine" } }];
    const [paused = failId()] = await submit(1, { run_at: new Date(Date.now() + 600_000).toISOString() });
    await producer.pause(paused);
    await scripted.startWorker();
    const [asking = failId()] = await submit(1, { tools });
    const [failed = failId()] = await submit(1, { model: "anthropic/claude" });
    await untilFound({ status: "waiting" }, 2);
    await untilFound({ status: "failed" }, 1);
    expect(await found({ status: "waiting", reason: "paused" })).toEqual([paused]);
    expect(await found({ status: "waiting", reason: "client_tools" })).toEqual([asking]);
    expect(await found({ status: "waiting", reason: "budget" })).toEqual([]);
    expect(await found({ status: "failed", error: "provider_rejected" })).toEqual([failed]);
    expect(await found({ status: "failed", error: "refusal" })).toEqual([]);
  });

  test("past a page of the index, each once", async () => {
    await using scripted = await openScripted(() => ({ parts: [text("done")] }));
    const ids = await scripted.submit(450, {});
    const found = await scripted.found({ status: "queued" });
    expect([found.length, new Set(found).size]).toEqual([450, 450]);
    expect(new Set(found)).toEqual(new Set(ids));
    const cancelled = await Array.fromAsync(
      scripted.producer.each({ status: "queued" }, (id) => scripted.producer.cancel(id)),
    );
    expect(new Set(cancelled.map(({ id }) => id))).toEqual(new Set(ids));
    expect(await scripted.found({ status: "cancelled" })).toHaveLength(450);
  });
});

describe("a retry", () => {
  test("with another model, with fewer attempts, says so in the log and keeps to it", async () => {
    await using scripted = await openScripted(({ model }) => {
      if (model === "openai/gpt") throw new BatonError("provider_auth", "down");
      throw new BatonError("provider_overloaded", "busy", { retry: { after: 1 } });
    });
    const { producer, models, submit, untilFound } = scripted;
    await scripted.startWorker();
    const [id = failId()] = await submit(1, { model: ["openai/gpt", "anthropic/claude"] });
    await untilFound({ status: "failed", error: "provider_auth" }, 1);
    await producer.retry(id, { model: claude, attempts: 3 });
    await untilFound({ status: "failed", error: "provider_overloaded" }, 1);
    expect(models.calls.map((one) => one.model)).toEqual([
      "openai/gpt",
      ...Array.from({ length: 3 }, () => "anthropic/claude"),
    ]);
    const items = await producer.conversation(id);
    expect(items.at(-1)).toMatchObject({
      role: "control",
      parts: [{ act: "retry", detail: { model: "anthropic/claude", attempts: 3, status: "failed" } }],
    });
    const result = await producer.resultNow(id);
    expect(result.phases.map((phase) => [phase.model, phase.status])).toEqual([
      ["openai/gpt", "failed"],
      ["anthropic/claude", "failed"],
    ]);
  });
});
