/**
 * BullMQ wakes one idle worker for a new job, by a marker that the worker takes off the queue. A worker that is lost
 * with the marker in its hands, or that is frozen and still counted as waiting, leaves a job of which nobody was
 * told.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../support/until.ts";
import { type CrashRig, openCrashRig, violations } from "./crash-rig.ts";
import { POOLS } from "./work.ts";

const GOES_ON_MS_MAX = 10_000;
/** A few places are enough. */
const PLACES = 10;

let rig: CrashRig;

beforeAll(async () => {
  rig = await openCrashRig();
});
afterAll(() => rig[Symbol.asyncDispose]());

test("a job is taken by another worker when the one that was woken for it is killed", async () => {
  await using doomed = await rig.startWorker({ killWhenWoken: true, concurrency: PLACES });
  await using other = await rig.startWorker({ concurrency: PLACES });
  await idleWorkers(2);
  let isKilled = false;
  void doomed.ended.then(() => {
    isKilled = true;
  });
  // Redis wakes the worker that waits for longest: when the first run does not kill it, the next one does.
  while (!isKilled) await expectTakenBy(other.pid);
  expect(await doomed.end()).toMatchObject({ signal: "SIGKILL" });
});

test("jobs are taken by another worker when one that waits for them is frozen", async () => {
  await using frozen = await rig.startWorker({ concurrency: PLACES });
  await using other = await rig.startWorker({ concurrency: PLACES });
  await idleWorkers(2);
  frozen.signal("SIGSTOP");
  // At the second run at the latest, it is the frozen worker that waits for longest.
  for (let run = 0; run < 2; run += 1) await expectTakenBy(other.pid);
});

/** Submits a run, which is claimed in time by this process. */
async function expectTakenBy(pid: number): Promise<void> {
  const submittedAt = Date.now();
  const { id, mark } = await rig.submit({});
  const { run, items } = await rig.ended(id);
  expect(violations(rig.journal, mark, run, items)).toEqual([]);
  const [taken] = rig.journal.of("claimed", mark);
  expect(taken?.pid).toBe(pid);
  expect((taken?.at ?? Number.NaN) - submittedAt).toBeLessThan(GOES_ON_MS_MAX);
}

/** Waits until so many workers wait for jobs of each pool. */
async function idleWorkers(count: number): Promise<void> {
  const waiting = async (): Promise<number> => {
    const clients = String(await rig.ledger.redis.client("LIST")).split("\n");
    return clients.filter((client) => client.includes(" cmd=bzpopmin ")).length;
  };
  await until(async () => (await waiting()) === count * POOLS.length, { what: `${count} idle workers` });
}
