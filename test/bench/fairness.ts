/**
 * Who gets how much of a pool. One model call of a few milliseconds a run, one worker process.
 *
 * Behind: a few runs are submitted behind a large batch, as a batch of their own and one by one. Told is when they
 * were done, against the time that their share allows, and against the time that the large batch takes, which is when
 * first come, first served would have done them.
 *
 * Shares: a batch of weight 3, one of weight 1, and runs without a batch, all with more work than there is time for.
 */
import { setTimeout as delay } from "node:timers/promises";
import { modelIdSchema, newBatchRunId, parseRunSpec } from "@baton/core";
import { readHealth } from "@baton/store";
import { freshRedis } from "../support/redis.ts";
import { until } from "../support/until.ts";
import { systemIds } from "../support/worker-rig.ts";
import { type BenchRig, openBenchRig, textReply } from "./bench-rig.ts";
import type { Row } from "./rows.ts";

const POOL = modelIdSchema.parse("bench/a");
const PLACES = 16;
const CALL_MS = 5;
const LATECOMERS = 20;

export async function fairness(large: number): Promise<readonly Row[]> {
  return [...(await behind(large)), ...(await shares())];
}

async function behind(large: number): Promise<readonly Row[]> {
  await using redis = await freshRedis();
  await using rig = await openRig(redis.url);
  await rig.ledger.hold(POOL, { kind: "paused" });
  await submitBatch(rig, "large", large);
  await rig.ledger.release(POOL);
  const started = performance.now();
  const since = () => (performance.now() - started) / 1_000;
  await until(async () => (await doneOf(rig, "large")) > PLACES, { what: "the large batch to begin" });
  const submittedAt = since();
  await submitBatch(rig, "small", LATECOMERS);
  const singles = await Promise.all(
    Array.from({ length: LATECOMERS }, () => rig.producer.submit({ input: "go", model: POOL })),
  );
  await until(async () => (await doneOf(rig, "small")) === LATECOMERS, { what: "the small batch" });
  const smallSeconds = since() - submittedAt;
  await Promise.all(singles.map(({ runId }) => rig.producer.result(runId, AbortSignal.timeout(60_000))));
  const singlesSeconds = since() - submittedAt;
  await until(async () => (await doneOf(rig, "large")) === large, {
    what: "the large batch",
    withinMs: 600_000,
  });
  const total = since();
  // Three flows share the pool, so 20 runs of each are done when 60 are; the window of admitted runs goes first.
  const rate = (large + 2 * LATECOMERS) / total;
  const ideal = (3 * LATECOMERS + 2 * PLACES) / rate;
  return [
    { name: `a batch of ${large} alone in the pool`, value: total, unit: "s" },
    { name: `${LATECOMERS} runs as a batch behind it`, value: smallSeconds, unit: "s" },
    { name: `${LATECOMERS} runs one by one behind it`, value: singlesSeconds, unit: "s" },
    { name: "their share of the pool allows", value: ideal, unit: "s" },
  ];
}

async function shares(): Promise<readonly Row[]> {
  await using redis = await freshRedis();
  await using rig = await openRig(redis.url);
  await rig.ledger.hold(POOL, { kind: "paused" });
  await rig.ledger.openBatch({ id: "three", weight: 3 });
  await Promise.all([submitBatch(rig, "three", 3_000), submitBatch(rig, "one", 3_000)]);
  await Promise.all(Array.from({ length: 3_000 }, () => rig.producer.submit({ input: "go", model: POOL })));
  // Somebody leads, and feeds from the first moment on.
  await until(async () => (await readHealth(rig.ledger.redis)).leader !== undefined, { what: "a leader" });
  await rig.ledger.release(POOL);
  await until(async () => (await doneOf(rig, "three")) >= 1_500, {
    what: "half of the batch",
    withinMs: 120_000,
  });
  const [three, one, all] = await Promise.all([
    doneOf(rig, "three"),
    doneOf(rig, "one"),
    rig.ledger.count("succeeded"),
  ]);
  const shareOf = (done: number): number => (100 * done) / all;
  return [
    { name: "share of a batch of weight 3 (ideal 60)", value: shareOf(three), unit: "%" },
    { name: "share of a batch of weight 1 (ideal 20)", value: shareOf(one), unit: "%" },
    { name: "share of runs without a batch (ideal 20)", value: shareOf(all - three - one), unit: "%" },
  ];
}

function openRig(url: string): Promise<BenchRig> {
  return openBenchRig({
    url,
    concurrency: PLACES,
    pools: [POOL],
    call: async (request) => {
      await delay(CALL_MS);
      return textReply(request, "done");
    },
  });
}

async function doneOf(rig: BenchRig, batch: string): Promise<number> {
  return (await rig.ledger.countBatch(batch)).succeeded;
}

async function submitBatch(rig: BenchRig, batch: string, lines: number): Promise<void> {
  const spec = parseRunSpec({ input: "go", model: POOL });
  const at = systemIds.now();
  const items = [
    { v: 1, seq: 0, phase: 0, epoch: 0, at, role: "user", parts: [{ type: "text", text: "go" }] },
  ] as const;
  for (let from = 0; from < lines; from += 500) {
    await Promise.all(
      Array.from({ length: Math.min(500, lines - from) }, (_, place) =>
        rig.ledger.create({
          id: newBatchRunId(0, { at, line: from + place }, systemIds),
          spec,
          items: items.map((item) => ({ ...item, parts: [...item.parts] })),
          pool: POOL,
          needs: [],
          delayMs: 0,
          timeoutMs: 0,
          batch: { id: batch, customId: `line-${from + place}` },
          admit: true,
        }),
      ),
    );
  }
}
