/**
 * How a pool is shared: between batches by weight, and with the runs without a batch. Each run begins at a word of the
 * test, so what is told here is exact.
 */
import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { countOf, type FeederRig, openFeeder, SINGLE, WINDOW } from "./testing/feeder-rig.ts";
import { createQueued, newOp, specOf, systemIds } from "./testing/make-run.ts";

const redis = useRedis();
let ledger: Ledger;
beforeEach(() => {
  ledger = createLedger(redis.connect({ enableAutoPipelining: true }), { retentionMs: 60_000 });
});

function openRig() {
  return openFeeder(() => redis.connect(), ledger);
}

test("a small batch behind a large one has half of the pool at once", async () => {
  await using rig = openRig();
  await rig.submitBatch("large", 100);
  await rig.feed();
  await rig.submitBatch("small", 20);
  const begun = await rig.beginMany(WINDOW + 40);
  // What stood in the window goes first, then they take turns.
  expect(begun.slice(0, WINDOW)).toEqual(Array(WINDOW).fill("large"));
  for (let place = WINDOW; place < begun.length; place += 2)
    expect(new Set(begun.slice(place, place + 2)).size).toBe(2);
});

test("a batch of weight 3 begins three runs for each one of a batch of weight 1", async () => {
  await using rig = openRig();
  await ledger.openBatch({ id: "heavy", weight: 3 });
  await rig.submitBatch("heavy", 100);
  await rig.submitBatch("light", 100);
  const begun = await rig.beginMany(80);
  for (let place = 0; place < 80; place += 4) expect(countOf(begun.slice(place, place + 4), "heavy")).toBe(3);
});

test("runs without a batch take turns with a batch, whichever came first", async () => {
  await using rig = openRig();
  await rig.submitSingles(50);
  await rig.submitBatch("large", 100);
  await rig.submitSingles(50);
  const begun = await rig.beginMany(120);
  for (let place = 0; place < 120; place += 2)
    expect(Math.abs(countOf(begun.slice(0, place + 2), SINGLE) - (place / 2 + 1))).toBeLessThanOrEqual(1);
});

test("runs of a batch that need no admission are counted with those without a batch", async () => {
  await using rig = openRig();
  await rig.submitSingles(60, { batch: { id: "one-by-one", customId: String(systemIds.random(8)) } });
  await rig.submitBatch("large", 60);
  const begun = await rig.beginMany(60);
  expect(countOf(begun, "large")).toBeGreaterThanOrEqual(29);
  expect(countOf(begun, "large")).toBeLessThanOrEqual(31);
});

test("forks, which begin in a later phase, are counted with those without a batch", async () => {
  await using rig = openRig();
  const of = await createQueued(ledger);
  await rig.submitSingles(60, { fork: { of: of.runId, items: 1, phase: 2 } });
  await rig.submitBatch("large", 60);
  const begun = await rig.beginMany(60);
  expect(countOf(begun, "large")).toBeGreaterThanOrEqual(29);
  expect(countOf(begun, "large")).toBeLessThanOrEqual(31);
});

test("what a pool did before is no credit for who comes later", async () => {
  await using rig = openRig();
  await rig.submitSingles(30);
  await rig.beginMany(30);
  await rig.submitBatch("later", 60);
  await rig.feed();
  await rig.submitSingles(30);
  const begun = await rig.beginMany(WINDOW + 40);
  const singles = countOf(begun.slice(WINDOW), SINGLE);
  expect(Math.abs(singles - 20)).toBeLessThanOrEqual(1);
});

test("a batch that comes line by line has no more than its share", async () => {
  await using rig = openRig();
  await rig.submitBatch("large", 100);
  await rig.beginMany(10);
  const begun: string[] = [];
  // As soon as one of its runs is gone from the ledger the next one comes.
  for (let place = 0; place < 60; place += 1) {
    await rig.submitBatch("dribble", 1);
    begun.push(...(await rig.beginMany(1)));
  }
  expect(countOf(begun, "dribble")).toBeLessThanOrEqual(31);
});

test("a batch that comes line by line has no more than its share beside runs without a batch", async () => {
  await using rig = openRig();
  await rig.submitSingles(80);
  await rig.beginMany(10);
  const begun: string[] = [];
  for (let place = 0; place < 60; place += 1) {
    await rig.submitBatch("dribble", 1);
    begun.push(...(await rig.beginMany(1)));
  }
  expect(Math.abs(countOf(begun, "dribble") - 30)).toBeLessThanOrEqual(2);
});

test("a smaller priority goes before all shares, in the batch and between batches", async () => {
  await using rig = openRig();
  await rig.submitBatch("plain", 30);
  await rig.submitBatch("urgent", 20, { spec: specOf({ priority: 5 }) });
  expect(await rig.beginMany(20)).toEqual(Array(20).fill("urgent"));
});

test("whoever was overtaken by a priority has no credit with those that come later", async () => {
  await using rig = openRig();
  await rig.submitBatch("plain", 60);
  await rig.submitBatch("urgent", 40, { spec: specOf({ priority: 5 }) });
  await rig.beginMany(40);
  await rig.submitBatch("newcomer", 40);
  const begun = (await rig.beginMany(WINDOW + 40)).slice(WINDOW);
  expect(Math.abs(countOf(begun, "newcomer") - 20)).toBeLessThanOrEqual(1);
  await rig.submitSingles(20);
  const later = (await rig.beginMany(WINDOW + 20)).slice(WINDOW);
  expect(countOf(later, SINGLE)).toBeGreaterThanOrEqual(6);
});

test("while the budget of a batch is spent it gathers no credit, with batches and with runs without one", async () => {
  await using rig = openRig();
  await ledger.openBatch({ id: "spent", budget: { tokens: 0 } });
  await rig.submitBatch("spent", 60);
  await rig.submitBatch("other", 100);
  expect(await rig.beginMany(40)).toEqual(Array(40).fill("other"));
  await ledger.setBatchBudget("spent", {});
  const begun = (await rig.beginMany(WINDOW + 20)).slice(WINDOW);
  expect(Math.abs(countOf(begun, "spent") - 10)).toBeLessThanOrEqual(1);
});

test("nor do runs without a batch pay for what they took while no batch could use it", async () => {
  await using rig = openRig();
  await ledger.openBatch({ id: "spent", budget: { tokens: 0 } });
  await rig.submitBatch("spent", 60);
  await rig.submitSingles(80);
  expect(await rig.beginMany(40)).toEqual(Array(40).fill(SINGLE));
  await ledger.setBatchBudget("spent", {});
  const begun = (await rig.beginMany(WINDOW + 20)).slice(WINDOW);
  expect(Math.abs(countOf(begun, SINGLE) - 10)).toBeLessThanOrEqual(1);
});

test("a cancelled, a paused and a retried run leave the shares as they are", async () => {
  await using rig = openRig();
  const ids = await rig.submitBatch("one", 60);
  await rig.submitBatch("two", 60);
  await rig.beginMany(10);
  for (const id of ids.slice(40, 60)) await ledger.cancel(id, newOp());
  for (const id of ids.slice(30, 40)) await ledger.pause(id, newOp());
  for (const id of ids.slice(30, 40)) await ledger.resume(id, newOp());
  const begun = (await rig.beginMany(WINDOW + 20)).slice(WINDOW);
  expect(countOf(begun, "one")).toBe(10);
});

interface Arrival {
  /** How many runs have begun before. */
  readonly at: number;
  readonly flow: string;
  readonly runs: number;
}

const FLOWS = [SINGLE, "a", "b", "c"];
const BEGUN = 60;
const arrivals = fc.array(
  fc.record({
    at: fc.nat(BEGUN - 10),
    flow: fc.constantFrom(...FLOWS),
    runs: fc.integer({ min: 1, max: 30 }),
  }),
  { minLength: 3, maxLength: 8, size: "max" },
);
const weights = fc.record({
  a: fc.constantFrom(1, 2, 4),
  b: fc.constantFrom(1, 3),
  c: fc.constantFrom(0.5, 1),
});

/** Lets runs come and begin; tells who began, and which flows had runs that waited then. */
async function play(rig: FeederRig, coming: readonly Arrival[]) {
  const left = new Map(FLOWS.map((flow) => [flow, 0]));
  const steps: { readonly begun: string; readonly waiting: readonly string[] }[] = [];
  for (let at = 0; at < BEGUN; at += 1) {
    for (const { flow, runs } of coming.filter((one) => one.at === at)) {
      left.set(flow, (left.get(flow) ?? 0) + runs);
      await (flow === SINGLE ? rig.submitSingles(runs) : rig.submitBatch(flow, runs));
    }
    const waiting = FLOWS.filter((flow) => (left.get(flow) ?? 0) > 0);
    const begun = await rig.begin();
    // Nothing stands still while anything waits.
    expect(begun === undefined, `nothing began, and ${waiting} wait`).toBe(waiting.length === 0);
    if (begun === undefined) continue;
    left.set(begun, (left.get(begun) ?? 0) - 1);
    steps.push({ begun, waiting });
  }
  return steps;
}

/** By how many runs a flow is behind its share at worst, over all stretches in which some of its runs wait. */
function lagOf(flow: string, steps: Awaited<ReturnType<typeof play>>, weightOf: (flow: string) => number) {
  let worst = 0;
  for (let from = 0; from < steps.length; from += 1) {
    const sharing = new Set<string>();
    let had = 0;
    for (let to = from; to < steps.length; to += 1) {
      const { begun, waiting } = steps[to] ?? { begun: "", waiting: [] };
      if (!waiting.includes(flow)) break;
      for (const one of waiting) sharing.add(one);
      if (begun === flow) had += 1;
      const all = [...sharing].reduce((sum, one) => sum + weightOf(one), 0);
      worst = Math.max(worst, ((to - from + 1) * weightOf(flow)) / all - had);
    }
  }
  return worst;
}

test("whatever comes when, no flow that waits is behind its share by more than the window and one run", async () => {
  const SEED = Number(process.env.BATON_TEST_SEED ?? 20_261_121);
  await fc.assert(
    fc.asyncProperty(arrivals, weights, async (coming, weight) => {
      await ledger.redis.flushall();
      await using rig = openRig();
      for (const [id, value] of Object.entries(weight)) await ledger.openBatch({ id, weight: value });
      const steps = await play(rig, coming);
      const weightOf = (flow: string) => ({ [SINGLE]: 1, ...weight })[flow] ?? 1;
      for (const flow of FLOWS) expect(lagOf(flow, steps, weightOf), flow).toBeLessThanOrEqual(WINDOW + 1);
    }),
    { numRuns: Number(process.env.BATON_TEST_RUNS ?? 12), seed: SEED, endOnFailure: true },
  );
}, 60_000);
