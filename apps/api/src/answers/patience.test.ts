import { modelIdSchema, NO_USAGE, type Run, runSchema } from "@baton/core";
import { expect, test } from "vitest";
import { until } from "../../../../test/support/until.ts";
import { Patience } from "./patience.ts";

const model = modelIdSchema.parse("openai/gpt-5.2");

function run(status: object): Run {
  return runSchema.parse({
    ...{
      id: `r_0_${"0".repeat(26)}`,
      model,
      ticket: 1,
      epoch: 1,
      items: 0,
      turns: 0,
      handoffs: 0,
      takeovers: 0,
    },
    ...{ createdAt: 0, updatedAt: 0, usage: NO_USAGE, phases: [], ...status },
  });
}

const queued = run({ status: "queued" });
const paused = run({ status: "waiting", reason: "paused" });

/** Looks at the runs in turn, the last one again and again, until patience is out or it has looked `looks` times more. */
async function isOut(runs: readonly Run[], isServed: boolean, looks = 10): Promise<boolean> {
  let count = 0;
  const look = async (): Promise<Run> => runs[Math.min(count++, runs.length - 1)] ?? queued;
  await using patience = new Patience(look, { waitMs: 1, isServed: async () => isServed });
  await until(() => patience.signal.aborted || count >= looks, { what: "looks" });
  return patience.signal.aborted;
}

test.each([
  ["waits for people", [paused], true, true],
  ["is queued where nobody serves", [queued], false, true],
  [
    "is queued where nobody has what it needs",
    [run({ status: "queued", missing: ["server:x"] })],
    true,
    true,
  ],
  ["is queued", [queued], true, false],
  ["runs", [run({ status: "running", pausing: false })], false, false],
] as const)("of a run that %s", async (_what, runs, isServed, out) => {
  expect(await isOut(runs, isServed)).toBe(out);
});

test("a run that moved between two looks did not stand still", async () => {
  const runs = Array.from({ length: 12 }, (_, ticket) => run({ status: "queued", ticket }));
  expect(await isOut(runs, false)).toBe(false);
});

test("a spent budget is not waited for", async () => {
  await using patience = new Patience(async () => paused, { waitMs: 60_000, isServed: async () => true });
  patience.seeWait("paused");
  expect(patience.signal.aborted).toBe(false);
  patience.seeWait("budget");
  expect(patience.signal.aborted).toBe(true);
});

test("a look that fails ends the waiting", async () => {
  const look = async (): Promise<Run> => {
    throw new Error("no Redis");
  };
  await using patience = new Patience(look, { waitMs: 1, isServed: async () => true });
  await until(() => patience.signal.aborted, { what: "the failed look" });
});
