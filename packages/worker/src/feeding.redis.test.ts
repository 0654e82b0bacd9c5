import { modelIdSchema, modelsOf, newBatchRunId, parseRunSpec } from "@baton/core";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { scriptedModels, text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { openRig, type Rig, systemIds } from "../../../test/support/worker-rig.ts";

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
