import { modelIdSchema, modelsOf, newBatchRunId, parseRunSpec } from "@baton/core";
import { EventHub, openBlockingConnection } from "@baton/store";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { scriptedModels, text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { openRig, type Rig, systemIds } from "../../../test/support/worker-rig.ts";
import { keepFeeding } from "./feeding.ts";

const redis = useRedis();
const ALPHA = modelIdSchema.parse("sim/alpha");

async function submit(rig: Rig, batch: string, lines: number) {
  const spec = parseRunSpec({ input: batch, model: ALPHA });
  const at = systemIds.now();
  await Promise.all(
    Array.from({ length: lines }, (_, line) =>
      rig.ledger.create({
        id: newBatchRunId(0, { at, line }, systemIds),
        spec,
        items: [
          { v: 1, seq: 0, phase: 0, epoch: 0, at, role: "user", parts: [{ type: "text", text: batch }] },
        ],
        pool: modelsOf(spec)[0].model,
        needs: [],
        delayMs: 0,
        timeoutMs: 0,
        batch: { id: batch, customId: `line-${line}` },
        admit: true,
      }),
    ),
  );
}

test("a worker feeds itself: two batches take turns, and each run is worked off once", async () => {
  await using rig = await openRig(redis.url);
  await submit(rig, "large", 300);
  await submit(rig, "small", 20);
  const models = scriptedModels(() => ({ parts: [text("done")] }));
  await rig.startWorker({ adapters: models.adapters, patterns: ["sim/*"], concurrency: 4 });
  await until(async () => (await rig.ledger.countBatch("small")).succeeded === 20, {
    what: "the small batch",
  });
  // It had its share: the large one is nowhere near its end.
  expect((await rig.ledger.countBatch("large")).succeeded).toBeLessThan(150);
  await until(async () => (await rig.ledger.countBatch("large")).succeeded === 300, {
    what: "the large batch",
    withinMs: 20_000,
  });
  expect(models.calls).toHaveLength(320);
});

test("another worker feeds when the one that led is gone", async () => {
  await using rig = await openRig(redis.url);
  const models = scriptedModels(() => ({ parts: [text("done")] }));
  const first = await rig.startWorker({ adapters: models.adapters, patterns: ["sim/*"], concurrency: 2 });
  await rig.startWorker({ adapters: models.adapters, patterns: ["sim/*"], concurrency: 2 });
  await submit(rig, "b", 50);
  await until(async () => (await rig.ledger.countBatch("b")).succeeded > 5, { what: "the first runs" });
  await first.stop(1_000);
  await until(async () => (await rig.ledger.countBatch("b")).succeeded === 50, { what: "the rest" });
  expect(models.calls).toHaveLength(50);
});

test("a shard that does not answer, or fails, holds up the feeding of no other, and its passes never overlap", async () => {
  const hub = new EventHub(openBlockingConnection({ url: redis.url, onError: () => undefined }), 3);
  const stopping = new AbortController();
  const passes = [0, 0, 0];
  const errors: unknown[] = [];
  const away = Promise.withResolvers<never>();
  const feeder = (
    shard: number,
    report: () => Promise<{ fed: number; waiting: number; pauseMs: number }>,
  ) => ({
    pass: () => {
      passes[shard] = (passes[shard] ?? 0) + 1;
      return report();
    },
  });
  const done = keepFeeding(
    {
      feeders: [
        feeder(0, () => away.promise),
        feeder(1, async () => ({ fed: 0, waiting: 1, pauseMs: 5 })),
        feeder(2, () => Promise.reject(new Error("no"))),
      ],
      leads: () => true,
      hub,
      now: systemIds.now,
      onError: (error) => errors.push(error),
    },
    stopping.signal,
  );
  await until(() => (passes[1] ?? 0) > 20, { what: "passes of the shard that answers" });
  expect(passes[0]).toBe(1);
  expect(errors.length).toBeLessThanOrEqual(2);
  stopping.abort();
  away.reject(new Error("the test is over"));
  await done;
  await hub.close();
});
