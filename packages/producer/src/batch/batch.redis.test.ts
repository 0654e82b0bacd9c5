/** Batches on a real Redis: submitted, watched, read, cancelled, retried. */
import { BatonError, type RunId, type RunResult, textOf } from "@baton/core";
import { shardKeys } from "@baton/store";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { scriptedModels, text } from "../../../../test/support/scripted-model.ts";
import { until } from "../../../../test/support/until.ts";
import { openRig } from "../../../../test/support/worker-rig.ts";
import type { BatchLine } from "./batch-line.ts";
import type { BatchSubmission, LineConflict } from "./submit-batch.ts";
import { jsonLine, linesOf } from "./testing/bytes.ts";

const redis = useRedis();
const never = new AbortController().signal;

function namesOf(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `c${at}`);
}

/** The lines of a file with these names. */
async function* runs(names: readonly string[], body: object = {}): AsyncGenerator<BatchLine, void, void> {
  for (const line of await linesOf(names.map((name) => jsonLine(name, body)).join(""))) {
    if (line.kind === "bad") throw new Error(line.reason);
    yield line;
  }
}

async function openScripted() {
  const rig = await openRig(redis.url);
  const down = new Set<string>();
  const models = scriptedModels(({ items }) => {
    const first = items[0];
    const said = first === undefined ? "" : textOf(first);
    if (down.has(said)) throw new BatonError("provider_auth", `no key for ${said}`);
    return { parts: [text(`done: ${said}`)] };
  });
  return {
    ...{ rig, producer: rig.producer, models, down },
    startWorker: () => rig.startWorker({ adapters: models.adapters, patterns: ["openai/*"] }),
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

describe("a submission", () => {
  test("makes each line a run once, and again changes nothing", async () => {
    await using scripted = await openScripted();
    const { producer } = scripted;
    const names = namesOf(1_500);
    const first = await producer.submitBatch(runs(names), { id: "b" }, never);
    expect(first).toEqual({ id: "b", created: 1_500, known: 0, conflicts: 0, isWhole: true });
    const again = await producer.submitBatch(runs(names), { id: "b" }, never);
    expect(again).toEqual({ id: "b", created: 0, known: 1_500, conflicts: 0, isWhole: true });
    expect(await producer.batchStatus("b")).toMatchObject({
      ...{ total: 1_500, lines: 1_500, isOver: false, isOpen: false },
      runs: { queued: 1_500, running: 0 },
    });
  });

  test("keeps the bounds and the weight that it does not say anew, also those from before its first run", async () => {
    await using scripted = await openScripted();
    const { producer } = scripted;
    await producer.setBatchBudget("b", { usd: 2 });
    expect(await producer.batchStatus("b")).toMatchObject({ isOver: false, total: 0 });
    await producer.submitBatch(runs(["a"]), { id: "b", weight: 3 }, never);
    expect(await producer.batch("b")).toMatchObject({ budget: { usd: 2 }, weight: 3 });
    await producer.submitBatch(runs(["a"]), { id: "b", budget: { tokens: 9 } }, never);
    await producer.submitBatch(runs(["a"]), { id: "b" }, never);
    expect(await producer.batch("b")).toMatchObject({ budget: { usd: 2, tokens: 9 }, weight: 3 });
  });

  test("that is stopped half-way goes on where it was, and the batch is not whole before", async () => {
    await using scripted = await openScripted();
    const { producer } = scripted;
    const names = namesOf(3_000);
    const stop = new AbortController();
    const onProgress = (so: BatchSubmission) => {
      if (so.created > 700) stop.abort();
    };
    const half = await producer.submitBatch(
      runs(names),
      { id: "b", onProgress, atOnceMax: 100 },
      stop.signal,
    );
    expect(half.isWhole).toBe(false);
    expect(half.created).toBeGreaterThan(700);
    expect(half.created).toBeLessThan(3_000);
    expect(await producer.batchStatus("b")).toMatchObject({ total: half.created, isOpen: true });
    const rest = await producer.submitBatch(runs(names), { id: "b" }, never);
    expect(rest).toEqual({
      ...{ id: "b", conflicts: 0, isWhole: true },
      ...{ created: 3_000 - half.created, known: half.created },
    });
    expect(await producer.batchStatus("b")).toMatchObject({ total: 3_000, lines: 3_000, isOpen: false });
  });

  test("tells of each line whose name has another body, and submits the others", async () => {
    await using scripted = await openScripted();
    const { producer, rig } = scripted;
    await producer.submitBatch(runs(["a", "b"]), { id: "b" }, never);
    const conflicts: LineConflict[] = [];
    const onConflict = (conflict: LineConflict) => conflicts.push(conflict);
    const lines = runs(["x", "b", "y"], { max_turns: 3 });
    const submission = await producer.submitBatch(lines, { id: "b", onConflict }, never);
    expect(submission).toMatchObject({ created: 2, known: 0, conflicts: 1, isWhole: true });
    expect(conflicts).toMatchObject([{ line: 2, customId: "b" }]);
    const held = conflicts[0]?.runId;
    if (held === undefined) throw new Error("no conflict");
    expect((await rig.producer.get(held)).spec.max_turns).toBeUndefined();
    expect(await producer.batchStatus("b")).toMatchObject({ total: 4 });
  });

  test("stops at a line that cannot be written, and the batch is not whole", async () => {
    await using scripted = await openScripted();
    const { producer } = scripted;
    const broken = async function* () {
      yield* runs(["a"]);
      throw new Error("the file changed");
    };
    await expect(producer.submitBatch(broken(), { id: "b" }, never)).rejects.toThrow("the file changed");
    expect(await producer.batchStatus("b")).toMatchObject({ total: 1, isOpen: true });
  });

  test("sets weight and budget of a batch that is there, and leaves them where nothing is said", async () => {
    await using scripted = await openScripted();
    const { producer } = scripted;
    await producer.submitBatch(runs(["a"]), { id: "b", weight: 2, budget: { tokens: 10 } }, never);
    await producer.submitBatch(runs(["a"]), { id: "b" }, never);
    expect(await producer.batch("b")).toMatchObject({ weight: 2, budget: { tokens: 10 } });
    await producer.submitBatch(runs(["a"]), { id: "b", weight: 3, budget: { usd: 1 } }, never);
    expect(await producer.batch("b")).toMatchObject({ weight: 3, budget: { usd: 1 } });
  });

  test("starts no run before the time of its batch, nor before its own", async () => {
    await using scripted = await openScripted();
    const { producer } = scripted;
    const runAt = Date.now() + 1_500;
    const lines = async function* () {
      yield* runs(["early"], { run_at: new Date(runAt - 1_000).toISOString() });
      yield* runs(["usual"]);
      yield* runs(["late"], { run_at: new Date(runAt + 1_000).toISOString() });
    };
    await producer.submitBatch(lines(), { id: "b", runAt }, never);
    await scripted.startWorker();
    await until(async () => (await producer.batchStatus("b")).isOver, { what: "the end" });
    const results = await Array.fromAsync(producer.batchResults("b", {}, never));
    const starts = new Map(
      results.map((one) => [one.custom_id, Date.parse(one.phases[0]?.started_at ?? "") - runAt]),
    );
    expect(starts.get("early")).toBeGreaterThanOrEqual(0);
    expect(starts.get("usual")).toBeGreaterThanOrEqual(0);
    expect(starts.get("late")).toBeGreaterThanOrEqual(1_000);
  });

  test("of an id that is none is refused", async () => {
    await using scripted = await openScripted();
    await expect(scripted.producer.submitBatch(runs(["a"]), { id: "a b" }, never)).rejects.toThrow(
      /batch's id/,
    );
  });
});

describe("results", () => {
  const customIds = (results: readonly { readonly custom_id?: string }[]) =>
    results.map((one) => one.custom_id);

  test("come in the order of the lines, of all that have ended", async () => {
    await using scripted = await openScripted();
    const { producer, down } = scripted;
    const names = namesOf(300);
    down.add("do c7");
    await producer.submitBatch(runs(names), { id: "b" }, never);
    expect(await Array.fromAsync(producer.batchResults("b", {}, never))).toEqual([]);
    await scripted.startWorker();
    await until(async () => (await producer.batchStatus("b")).isOver, { what: "the end", withinMs: 25_000 });
    const results = await Array.fromAsync(producer.batchResults("b", {}, never));
    expect(customIds(results)).toEqual(names);
    expect(results[0]).toMatchObject({ status: "succeeded", final_output: "done: do c0" });
    expect(results[7]).toMatchObject({ status: "failed", error: { code: "provider_auth" } });
    const succeeded = producer.batchResults("b", { statuses: ["succeeded"] }, never);
    expect(customIds(await Array.fromAsync(succeeded))).toEqual(names.filter((name) => name !== "c7"));
    const errors = await Array.fromAsync(producer.batchErrors("b", {}, never));
    expect(errors).toEqual([
      {
        id: results[7]?.id,
        custom_id: "c7",
        error: { code: "provider_auth", message: "no key for do c7" },
        cursor: expect.any(String),
      },
    ]);
  });

  test("go on behind the cursor of any line, in both orders", async () => {
    await using scripted = await openScripted();
    const { producer } = scripted;
    const names = namesOf(30);
    await producer.submitBatch(runs(names), { id: "b" }, never);
    await scripted.startWorker();
    await until(async () => (await producer.batchStatus("b")).isOver, { what: "the end", withinMs: 25_000 });
    for (const order of ["input", "finished"] as const) {
      const all = await Array.fromAsync(producer.batchResults("b", { order }, never));
      for (const [at, { cursor, custom_id }] of all.entries()) {
        const rest = await Array.fromAsync(producer.batchResults("b", { order, after: cursor }, never));
        const behind = customIds(all.slice(at + 1));
        // Of the same millisecond there may be more, never less, and never the line itself.
        expect(customIds(rest).filter((id) => behind.includes(id))).toEqual(behind);
        expect(customIds(rest)).not.toContain(custom_id);
        if (order === "input") expect(customIds(rest)).toEqual(behind);
      }
      const wrong = producer.batchResults("b", { order, after: "x" }, never);
      await expect(Array.fromAsync(wrong)).rejects.toMatchObject({ code: "invalid_spec" });
    }
  });

  test("come as the runs end, and go on until the batch is over", async () => {
    await using scripted = await openScripted();
    const { producer } = scripted;
    await producer.submitBatch(runs(namesOf(60)), { id: "b" }, never);
    const order = { order: "finished", follow: true } as const;
    const followed: RunResult[] = [];
    const following = (async () => {
      for await (const result of producer.batchResults("b", order, never)) followed.push(result);
    })();
    await scripted.startWorker();
    await following;
    expect(customIds(followed).toSorted()).toEqual(namesOf(60).toSorted());
    const ends = followed.map(({ phases }) => phases.at(-1)?.ended_at ?? "");
    expect(ends).toEqual(ends.toSorted());
    const after = await Array.fromAsync(producer.batchResults("b", { order: "finished" }, never));
    expect(customIds(after)).toEqual(customIds(followed));
  });

  test("of a batch that is not there are an error", async () => {
    await using scripted = await openScripted();
    const read = Array.fromAsync(scripted.producer.batchResults("none", {}, never));
    await expect(read).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("a watcher", () => {
  test("sees a batch until its end, and not before all of its lines are in", async () => {
    await using scripted = await openScripted();
    const { producer } = scripted;
    await scripted.startWorker();
    const gate = Promise.withResolvers<void>();
    const slow = async function* () {
      yield* runs(["a"]);
      await gate.promise;
      yield* runs(["b"]);
    };
    const submitting = producer.submitBatch(slow(), { id: "b" }, never);
    await until(async () => (await producer.batchStatus("b").catch(() => undefined))?.runs.succeeded === 1, {
      what: "the first run's end",
    });
    expect(await producer.batchStatus("b")).toMatchObject({ isOver: false, isOpen: true });
    const seen: boolean[] = [];
    const watching = (async () => {
      for await (const { isOver } of producer.watchBatch("b", never, 20)) {
        seen.push(isOver);
        if (seen.length === 3) gate.resolve();
      }
    })();
    await submitting;
    await watching;
    expect(seen.at(-1)).toBe(true);
    expect(seen.slice(0, 3)).toEqual([false, false, false]);
  });

  test("lets go at an abort", async () => {
    await using scripted = await openScripted();
    const { producer } = scripted;
    await producer.submitBatch(runs(["a"]), { id: "b" }, never);
    const stop = new AbortController();
    const seen: number[] = [];
    for await (const { total } of producer.watchBatch("b", stop.signal, 60_000)) {
      seen.push(total);
      queueMicrotask(() => stop.abort());
    }
    expect(seen).toEqual([1]);
  });
});

describe("acts on a whole batch", () => {
  test("cancel what has not ended, more than a page of it, and nothing of another batch", async () => {
    await using scripted = await openScripted();
    const { producer } = scripted;
    await producer.submitBatch(runs(namesOf(450)), { id: "b" }, never);
    await producer.submitBatch(runs(["other"]), { id: "b2" }, never);
    const done = await Array.fromAsync(producer.cancelBatch("b", never));
    expect(done).toHaveLength(450);
    expect(done.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(await producer.batchStatus("b")).toMatchObject({ isOver: true, runs: { cancelled: 450 } });
    expect(await producer.batchStatus("b2")).toMatchObject({ runs: { queued: 1 } });
    expect(await Array.fromAsync(producer.cancelBatch("b", never))).toEqual([]);
  });

  test("cancel a batch whose submission was broken off: it is over then", async () => {
    await using scripted = await openScripted();
    const { producer } = scripted;
    const broken = async function* () {
      yield* runs(["a", "b"]);
      throw new Error("broken off");
    };
    await expect(producer.submitBatch(broken(), { id: "b" }, never)).rejects.toThrow("broken off");
    await Array.fromAsync(producer.cancelBatch("b", never));
    expect(await producer.batchStatus("b")).toMatchObject({ isOver: true, isOpen: false, lines: 2 });
    // What is submitted again makes it whole anew.
    await producer.submitBatch(runs(["a", "b", "c"]), { id: "b" }, never);
    expect(await producer.batchStatus("b")).toMatchObject({ isOver: false, lines: 3, total: 3 });
  });

  test("that are stopped go on with what is left", async () => {
    await using scripted = await openScripted();
    const { producer } = scripted;
    await producer.submitBatch(runs(namesOf(900)), { id: "b" }, never);
    const stop = new AbortController();
    let cancelled = 0;
    for await (const _ of producer.cancelBatch("b", stop.signal)) {
      cancelled += 1;
      if (cancelled === 5) stop.abort();
    }
    expect(cancelled).toBeLessThan(900);
    const rest = await Array.fromAsync(producer.cancelBatch("b", never));
    expect(rest).toHaveLength(900 - cancelled);
    expect((await producer.batchStatus("b")).runs.cancelled).toBe(900);
  });

  test("retry the failed ones, each from where it was", async () => {
    await using scripted = await openScripted();
    const { producer, down, models } = scripted;
    const bad = ["c1", "c3", "c5"];
    for (const name of bad) down.add(`do ${name}`);
    await producer.submitBatch(runs(namesOf(10)), { id: "b" }, never);
    await scripted.startWorker();
    const isOver = async () => (await producer.batchStatus("b")).isOver;
    await until(isOver, { what: "the end" });
    expect((await producer.batchStatus("b")).runs).toMatchObject({ succeeded: 7, failed: 3 });
    down.clear();
    const done = await Array.fromAsync(producer.retryBatch("b", {}, never));
    expect(done.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
    await until(isOver, { what: "the end of the retries" });
    expect((await producer.batchStatus("b")).runs).toMatchObject({ succeeded: 10, failed: 0 });
    expect(models.calls).toHaveLength(13);
  });
});

test("batches are listed, the newest first", async () => {
  await using scripted = await openScripted();
  const { producer } = scripted;
  for (const id of ["one", "two", "three"]) {
    await producer.submitBatch(runs(["a"]), { id }, never);
    // Two that were opened in the same millisecond have no order.
    const { createdAt = 0 } = await producer.batch(id);
    await until(() => Date.now() > createdAt, { what: "another millisecond" });
  }
  const listed = await Array.fromAsync(producer.batches());
  expect(listed.map(({ id, total }) => [id, total])).toEqual([
    ["three", 1],
    ["two", 1],
    ["one", 1],
  ]);
});

test("a batch that is gone is left out of the list", async () => {
  await using scripted = await openScripted();
  const { producer, rig } = scripted;
  await producer.submitBatch(runs(["a"]), { id: "b" }, never);
  await producer.setBatchBudget("gone", { tokens: 1 });
  await rig.ledger.redis.del(`${shardKeys(0).batchPrefix}gone`);
  expect((await Array.fromAsync(producer.batches())).map(({ id }) => id)).toEqual(["b"]);
});

test("a run of a batch is found by its id among the runs", async () => {
  await using scripted = await openScripted();
  const { producer, rig } = scripted;
  await producer.submitBatch(runs(["a", "b"]), { id: "b" }, never);
  const ids: readonly RunId[] = await rig.ledger.list("queued", { limit: 10, batch: "b" });
  const read = await Promise.all(ids.map((id) => producer.get(id)));
  expect(read.map(({ run }) => run.customId)).toEqual(["b", "a"]);
});
