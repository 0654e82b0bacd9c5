import { modelIdSchema } from "@baton/core";
import type { LiveWorker } from "@baton/store";
import { expect, test } from "vitest";
import type { PoolView } from "./pool-views.ts";
import {
  poolOfWire,
  poolPatchOfWire,
  wirePool,
  wirePoolPatchSchema,
  wirePoolSchema,
  wireWorker,
  wireWorkerSchema,
  workerOfWire,
} from "./wire-pool.ts";

const view: PoolView = {
  pool: modelIdSchema.parse("openai/gpt-5.2"),
  backlog: 5,
  admission: 4,
  delayed: 3,
  oldestWaitMs: 2_500,
  active: 2,
  workers: 1,
  failing: 1,
  places: 7,
  endedLastMinute: 9,
  headroom: { requests: 10.5, tokens: null },
  held: undefined,
  settings: { concurrency: 3, maxActive: 8, rpm: 60 },
};

test.each([
  view,
  { ...view, held: { kind: "paused" } as const, settings: {} },
  { ...view, held: { kind: "rate_limited", ms: 1_200 } as const },
])("a pool comes back from the wire as it was", (pool) => {
  const sent: unknown = JSON.parse(JSON.stringify(wirePool(pool)));
  expect(poolOfWire(wirePoolSchema.parse(sent))).toEqual(pool);
});

test("a worker comes back from the wire as it was", () => {
  const worker: LiveWorker = {
    workerId: "w",
    host: "h",
    pid: 7,
    version: "1",
    patterns: ["openai/*"],
    pools: ["openai/gpt-5.2"],
    refused: ["openai/x"],
    concurrency: 9,
    active: 2,
    activeByPool: { "openai/gpt-5.2": 2 },
    caps: { "openai/gpt-5.2": 3 },
    endedByPool: { "openai/gpt-5.2": 4 },
    failingByPool: { "openai/gpt-5.2": 5 },
    seenAt: 1_700_000_000_123,
  };
  const sent: unknown = JSON.parse(JSON.stringify(wireWorker(worker)));
  expect(workerOfWire(wireWorkerSchema.parse(sent))).toEqual(worker);
});

test("a patch says what is set, what is cleared, and nothing of the rest; an empty one is none", () => {
  const patch = wirePoolPatchSchema.parse({ max_active: 5, rpm: null });
  expect(poolPatchOfWire(patch)).toEqual({ maxActive: 5, rpm: null });
  expect(wirePoolPatchSchema.safeParse({}).success).toBe(false);
  expect(wirePoolPatchSchema.safeParse({ maxActive: 5 }).success).toBe(false);
});
