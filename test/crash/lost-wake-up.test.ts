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

let rig: CrashRig;

beforeAll(async () => {
  rig = await openCrashRig();
});
afterAll(() => rig[Symbol.asyncDispose]());

test("a job is taken by another worker when the one that was woken for it is killed", async () => {
  const woken = await rig.startWorker({ killWhenWoken: true });
  await idleWorkers(1);
  await using other = await rig.startWorker();
  await idleWorkers(2);
  const { mark, id, at } = await submit();
  expect(await woken.end()).toMatchObject({ signal: "SIGKILL" });
  await expectTakenBy(other.pid, { mark, id, at });
});

test("a job is taken by another worker when the one that is woken for it is frozen", async () => {
  await using frozen = await rig.startWorker();
  await idleWorkers(1);
  frozen.signal("SIGSTOP");
  await using other = await rig.startWorker();
  await idleWorkers(2);
  await expectTakenBy(other.pid, await submit());
});

async function submit() {
  const at = Date.now();
  return { at, ...(await rig.submit({})) };
}

async function expectTakenBy(
  pid: number,
  { mark, id, at }: Awaited<ReturnType<typeof submit>>,
): Promise<void> {
  const { run, items } = await rig.ended(id);
  expect(violations(rig.journal, mark, run, items)).toEqual([]);
  const [taken] = rig.journal.of("claimed", mark);
  expect(taken?.pid).toBe(pid);
  expect((taken?.at ?? Number.NaN) - at).toBeLessThan(GOES_ON_MS_MAX);
}

/** Waits until so many workers wait for jobs of each pool. Redis wakes the one first that waits for longest. */
async function idleWorkers(count: number): Promise<void> {
  const waiting = async (): Promise<number> => {
    const clients = String(await rig.ledger.redis.client("LIST")).split("\n");
    return clients.filter((client) => client.includes(" cmd=bzpopmin ")).length;
  };
  await until(async () => (await waiting()) === count * POOLS.length, { what: `${count} idle workers` });
}
