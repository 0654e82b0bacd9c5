import type { Health } from "@baton/store";
import { expect, test } from "vitest";
import { type ReconcilerFacts, reconcilerFindings } from "./reconciler-findings.ts";

const NOW = 1_800_000_000_000;

function facts(health: Partial<Health> = {}, more: Partial<ReconcilerFacts> = {}): ReconcilerFacts {
  return {
    health: {
      leader: { id: "alpha-7-x", host: "alpha" },
      lastPass: { at: NOW - 400, ms: 3, agoMs: 400 },
      healed: {},
      latest: [],
      ...health,
    },
    liveWorkers: 1,
    now: NOW,
    corrupt: [],
    ...more,
  };
}

test("a young pass is well, and says who leads", () => {
  expect(reconcilerFindings(facts())).toEqual([
    { name: "last pass", status: "ok", found: "0.4 s ago, took 3 ms; alpha leads" },
    { name: "healed", status: "ok", found: "nothing ever had to be" },
  ]);
});

test("live workers without a young pass fail; without workers it is nobody's business", () => {
  const old = { lastPass: { at: NOW - 11_000, ms: 3, agoMs: 11_000 } };
  expect(reconcilerFindings(facts(old))[0]).toMatchObject({
    status: "fail",
    found: expect.stringMatching(/^11\.0 s ago/),
  });
  expect(reconcilerFindings(facts({ lastPass: undefined }))[0]).toMatchObject({
    status: "fail",
    found: expect.stringMatching(/^never/),
  });
  expect(reconcilerFindings(facts(old, { liveWorkers: 0 }))[0]).toMatchObject({ status: "ok" });
});

test("a pass that takes longer than it may is told", () => {
  const slow = facts({ lastPass: { at: NOW, ms: 2_000, agoMs: 0 } });
  expect(reconcilerFindings(slow)).toContainEqual(
    expect.objectContaining({ name: "pace", status: "warn", found: expect.stringMatching(/2\.0 s/) }),
  );
});

test("what was healed is counted, and the latest are named", () => {
  const at = NOW - 120_000;
  const latest = [{ what: "index", detail: "live: absent", at } as const, { what: "deadline", at } as const];
  const healed = reconcilerFindings(facts({ healed: { index: 4, deadline: 1, corrupt: 9 }, latest }))[1];
  expect(healed?.found).toBe(
    "4 index, 1 deadline; latest: index (live: absent) 2 min 00 s ago; deadline 2 min 00 s ago",
  );
});

test("records that cannot be read fail, and some are named", () => {
  expect(reconcilerFindings(facts({}, { corrupt: ["r1", "r2", "r3", "r4"] })).at(-1)).toMatchObject({
    name: "records",
    status: "fail",
    found: "4 of the records cannot be read: r1, r2, r3, …",
  });
});
