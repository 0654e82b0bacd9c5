/**
 * SIGTERM of a worker with phases at work: what ends before the deadline ends there; the rest is handed back at the
 * deadline, and another worker goes on with it at once, without waiting for a lock.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../support/until.ts";
import { type CrashRig, openCrashRig, type Submission, violations } from "./crash-rig.ts";

const RUNS = 10;
const DRAIN_MS = 500;
const GOES_ON_MS_MAX = 2_000;

let rig: CrashRig;

beforeAll(async () => {
  rig = await openCrashRig();
});
afterAll(() => rig[Symbol.asyncDispose]());

test("a worker that is told to stop ends what it can and hands the rest to others at once", async () => {
  const [stopping, other] = await Promise.all([rig.startWorker({ drainMs: DRAIN_MS }), rig.startWorker()]);
  // Their first turns get written; the second ones take longer than the deadline.
  const slow = await Promise.all(
    Array.from({ length: RUNS }, () => rig.submit({ tools: ["look"], latencyMs: 1_500 })),
  );
  await until(() => slow.every((run) => buyerOf(run, 3) !== undefined), { what: "the second turns" });
  const handedBack = slow.filter((run) => buyerOf(run, 3) === stopping.pid);
  const kept = slow.filter((run) => buyerOf(run, 3) === other.pid);
  const quick: Submission[] = [];
  const isTaken = async (): Promise<boolean> => {
    const run = await rig.submit({ latencyMs: 200 });
    quick.push(run);
    const buyer = await until(() => buyerOf(run, 1), { what: "the quick model call" });
    return buyer === stopping.pid;
  };
  await until(isTaken, { what: "a quick call of the worker that stops" });
  const stoppedAt = Date.now();
  stopping.signal("SIGTERM");
  expect(await stopping.end()).toEqual({ code: 0, signal: null });

  for (const { id, mark } of [...slow, ...quick]) {
    const { run, items } = await rig.ended(id);
    expect(violations(rig.journal, mark, run, items)).toEqual([]);
    expect(run.takeovers).toBe(0);
  }
  expect(handedBack).not.toEqual([]);
  for (const { mark } of handedBack) {
    expect(bought(mark)).toEqual([1, 3, 3, 6]);
    const next = rig.journal.of("claimed", mark).find((act) => act.ticket === 2);
    expect(next).toMatchObject({ pid: other.pid, takeover: false });
    expect((next?.at ?? Number.NaN) - stoppedAt).toBeLessThan(DRAIN_MS + GOES_ON_MS_MAX);
  }
  for (const { mark } of kept) expect(bought(mark)).toEqual([1, 3, 6]);
  for (const run of quick) {
    expect(bought(run.mark)).toEqual([1, 4]);
    expect(rig.journal.of("committed", run.mark)[0]?.pid).toBe(buyerOf(run, 1));
  }
});

/** The process that first called a model for this place of the log. */
function buyerOf({ mark }: Submission, seq: number): number | undefined {
  return rig.journal.of("bought", mark).find((act) => act.seq === seq)?.pid;
}

function bought(mark: string): readonly number[] {
  return rig.journal.of("bought", mark).map((act) => act.seq);
}
