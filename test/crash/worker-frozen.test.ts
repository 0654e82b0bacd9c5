/**
 * A worker that is frozen for longer than its locks last, as a machine is that sleeps or swaps, and then goes on
 * where it stood: with replies and commits of runs that others have ended meanwhile.
 */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../support/until.ts";
import { type CrashRig, openCrashRig, violations } from "./crash-rig.ts";
import { POOLS } from "./work.ts";

/** The lock lasts 4 s. */
const FROZEN_MS_MIN = 6_000;

let rig: CrashRig;

beforeAll(async () => {
  rig = await openCrashRig();
});
afterAll(() => rig[Symbol.asyncDispose]());

test("what a frozen worker writes late is refused, and then it serves other runs", async () => {
  const zombie = await rig.startWorker();
  // It freezes itself at the line before the commit of one run, while it is in a model call of another.
  const inCall = await rig.submit({ tools: ["look"], latencyMs: 1_000 });
  await until(() => rig.journal.of("bought", inCall.mark).length === 1, { what: "the model call" });
  const atCommit = await rig.submit({ crash: { step: "deciding", signal: "SIGSTOP" } });
  const crash = await rig.crash(atCommit.mark);
  expect(rig.journal.of("wrote", inCall.mark)).toEqual([]);

  const other = await rig.startWorker();
  const runs = [inCall, atCommit];
  const before = await Promise.all(runs.map(({ id }) => rig.ended(id)));
  for (const { pid } of runs.flatMap(({ mark }) => rig.journal.of("committed", mark)))
    expect(pid).toBe(other.pid);
  await delay(Math.max(0, crash.at + FROZEN_MS_MIN - Date.now()));
  zombie.signal("SIGCONT");

  const [refusal] = await until(() => atLeastOne(rig.journal.of("refused", atCommit.mark)), {
    what: "the refusal",
  });
  expect(refusal).toMatchObject({ pid: zombie.pid, script: "commit", status: "succeeded" });
  // The job that went out behind the refused commit finds its run ended.
  for (const pool of POOLS) {
    await until(async () => Object.values(await rig.queues.countsOf(pool)).every((count) => count === 0), {
      what: `an empty queue of ${pool}`,
    });
  }
  other.signal("SIGTERM");
  expect(await other.end()).toEqual({ code: 0, signal: null });
  const later = await Promise.all(Array.from({ length: 5 }, () => rig.submit({ tools: ["look"] })));
  for (const { id, mark } of later) {
    const { run, items } = await rig.ended(id);
    // The run is seen ended before its worker has heard of it, and has told its journal.
    const committed = () => rig.journal.of("committed", mark);
    await until(() => committed().length >= 2, { what: "the second commit in the journal" });
    expect(committed().map((act) => act.pid)).toEqual([zombie.pid, zombie.pid]);
    expect(violations(rig.journal, mark, run, items)).toEqual([]);
  }

  expect(await Promise.all(runs.map(({ id }) => rig.ended(id)))).toEqual(before);
  for (const [index, { run, items }] of before.entries()) {
    expect(violations(rig.journal, runs[index]?.mark ?? "", run, items)).toEqual([]);
    expect(run).toMatchObject({ takeovers: 1, handoffs: 1 });
  }
}, 60_000);

function atLeastOne<Value>(values: readonly Value[]): readonly Value[] | undefined {
  return values.length === 0 ? undefined : values;
}
