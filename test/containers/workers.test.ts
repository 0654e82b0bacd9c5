/**
 * Two worker containers of Baton's image on one Redis container. Losing one with SIGKILL costs nothing that was
 * written (R4, R5, R7); stopping one as orchestrators do hands its phases back within the grace period.
 */
import { listWorkers } from "@baton/store";
import { beforeAll, describe, expect, test } from "vitest";
import { until } from "../support/until.ts";
import { type Fleet, openFleet } from "./fleet.ts";
import { ended, purchasesOf, readRuns, statusesOf, submitResearch } from "./research-runs.ts";

const RUNS = 40;
const CONCURRENCY = 6;
const GRACE_SECONDS = 15;
/** A run takes about three seconds. */
const PACE = { firstTokenMs: 250, tokensPerSecond: 500 };

let fleet: Fleet;
beforeAll(async () => {
  fleet = await openFleet(PACE);
  return () => fleet[Symbol.asyncDispose]();
});

const activeOf = async (hostname: string): Promise<number> => {
  const worker = (await listWorkers(fleet.store.connection)).find(({ host }) => host === hostname);
  return worker?.active ?? 0;
};

describe("workers in containers", () => {
  test("the image runs as nobody in particular, under an init, with nothing that only tests need", async () => {
    const worker = await fleet.startWorker({ concurrency: 1, drainSeconds: 1 });
    expect(await worker.exec(["id", "-u"])).toBe("1000");
    expect(await worker.exec(["cat", "/proc/1/comm"])).toBe("tini");
    expect(
      await worker.exec([
        "sh",
        "-c",
        "ls /app/node_modules | grep -cE '^(vitest|typescript|testcontainers)$' || true",
      ]),
    ).toBe("0");
    expect(await worker.stop(GRACE_SECONDS)).toMatchObject({ exitCode: 0 });
  });

  test("one of two is killed in the middle of 40 runs: all succeed, and no written reply is bought again", async () => {
    const victim = await fleet.startWorker({ concurrency: CONCURRENCY, drainSeconds: 1 });
    const heir = await fleet.startWorker({ concurrency: CONCURRENCY, drainSeconds: 1 });
    const ids = await submitResearch(fleet.producer, RUNS, "first");
    await until(
      async () =>
        (statusesOf(await readRuns(fleet.producer, ids)).succeeded ?? 0) >= RUNS / 4 &&
        (await activeOf(victim.hostname)) > 0,
      { what: "a quarter of the runs, with the victim at work", withinMs: 90_000 },
    );
    await victim.kill();
    const runs = await ended(fleet.producer, ids, 90_000);
    expect(statusesOf(runs)).toEqual({ succeeded: RUNS });
    expect(runs.reduce((sum, run) => sum + run.takeovers, 0)).toBeGreaterThan(0);
    expect(runs.every((run) => run.handoffs === 1 && run.phases.length === 2)).toBe(true);
    const purchases = await purchasesOf(fleet.models, fleet.producer, ids);
    expect(purchases).toMatchObject({ boughtAgain: 0, unknown: 0 });
    // What was sold and not written was under way at the kill: one call at most for each place of the victim.
    expect(purchases.lost).toBeLessThanOrEqual(2 * CONCURRENCY);
    expect(await heir.stop(GRACE_SECONDS)).toMatchObject({ exitCode: 0 });
  });

  test("SIGTERM hands back what does not end within the drain, and the process ends within the grace period", async () => {
    const leaver = await fleet.startWorker({ concurrency: CONCURRENCY, drainSeconds: 1 });
    const ids = await submitResearch(fleet.producer, CONCURRENCY, "second");
    await until(async () => (await activeOf(leaver.hostname)) === CONCURRENCY, {
      what: "all places of the worker taken",
      withinMs: 30_000,
    });
    const { exitCode, tookMs } = await leaver.stop(GRACE_SECONDS);
    expect({ exitCode, isInTime: tookMs < GRACE_SECONDS * 1_000 }, await leaver.logs()).toEqual({
      exitCode: 0,
      isInTime: true,
    });
    const left = statusesOf(await readRuns(fleet.producer, ids));
    // Not one is left to the stalled check: a run is queued again, or it is done.
    expect(left.running).toBeUndefined();
    expect(left.queued).toBeGreaterThan(0);
    const heir = await fleet.startWorker({ concurrency: CONCURRENCY, drainSeconds: 1 });
    const runs = await ended(fleet.producer, ids, 90_000);
    expect(statusesOf(runs)).toEqual({ succeeded: CONCURRENCY });
    expect(runs.map((run) => run.takeovers)).toEqual(runs.map(() => 0));
    expect(await purchasesOf(fleet.models, fleet.producer, ids)).toMatchObject({ boughtAgain: 0 });
    await heir.stop(GRACE_SECONDS);
  });
});
