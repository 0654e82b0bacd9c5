/**
 * Redis has no memory left while twenty runs are at work: new runs are refused by name, nothing that was accepted is
 * lost or bought twice, and all goes on when there is memory again.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../support/until.ts";
import { type CrashRig, openCrashRig, specOf, violations } from "./crash-rig.ts";
import { POOLS } from "./work.ts";

const RUNS = 20;
const PHASES = Array.from({ length: 6 }, (_, index) => ({ model: POOLS[index % 2] ?? POOLS[0] }));

let rig: CrashRig;
beforeAll(async () => {
  rig = await openCrashRig();
  await Promise.all([rig.startWorker(), rig.startWorker()]);
});
afterAll(() => rig[Symbol.asyncDispose]());

test("submits are refused, running work is not lost, and goes on when memory is back", async () => {
  const { redis } = rig.ledger;
  const runs = await Promise.all(
    Array.from({ length: RUNS }, () => rig.submit({ tools: ["look"], latencyMs: 150 }, { phases: PHASES })),
  );
  await until(() => rig.journal.of("wrote").length >= RUNS, { what: "runs at work" });

  // Less than what is used already.
  await redis.config("SET", "maxmemory", "1");
  const refused = { code: "redis_full", retry: "backoff", message: expect.stringContaining("maxmemory") };
  await expect(rig.producer.submit(specOf({ mark: "late" }))).rejects.toMatchObject(refused);
  const written = rig.journal.of("wrote").length;
  // What is at work writes on: its replies were paid for.
  await until(() => rig.journal.of("wrote").length > written, { what: "a write without memory" });
  await until(() => nobodyBuys(), { what: "an end of what was at work", withinMs: 20_000 });
  const counts = await Promise.all(runs.map(({ id }) => rig.producer.get(id)));
  expect(counts.filter(({ run }) => run.status === "failed" || run.status === "cancelled")).toEqual([]);

  await redis.config("SET", "maxmemory", "0");
  for (const { id, mark } of runs) {
    const { run, items } = await rig.ended(id, 60_000);
    expect(violations(rig.journal, mark, run, items)).toEqual([]);
  }
  const { id } = await rig.submit({});
  expect((await rig.ended(id)).run.status).toBe("succeeded");
}, 120_000);

let quiet = { bought: 0, since: 0 };
/** No call began for a second. */
function nobodyBuys(): boolean {
  const bought = rig.journal.of("bought").length;
  if (bought !== quiet.bought) quiet = { bought, since: Date.now() };
  return Date.now() - quiet.since > 1_000;
}
