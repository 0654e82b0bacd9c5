import { type ModelId, modelIdSchema, type RunId, runIdSchema } from "@baton/core";
import type { LiveWorker } from "@baton/store";
import { expect, test } from "vitest";
import type { PoolFacts, QueuedRun } from "./pool-facts.ts";
import { poolFindings } from "./pool-findings.ts";

const GPT: ModelId = modelIdSchema.parse("openai/gpt-5.2");
const OPUS: ModelId = modelIdSchema.parse("anthropic/claude-opus-4-5");
const NOW = 1_800_000_000_000;

function runId(number: number): RunId {
  return runIdSchema.parse(`r_0_${String(number).padStart(26, "0")}`);
}

function worker(more: Partial<LiveWorker> = {}): LiveWorker {
  return {
    workerId: "a",
    host: "alpha",
    pid: 7,
    version: "1.0.0",
    patterns: ["openai/*"],
    pools: [GPT],
    concurrency: 2,
    active: 0,
    activeByPool: {},
    caps: {},
    refused: [],
    endedByPool: {},
    failingByPool: {},
    seenAt: NOW,
    ...more,
  };
}

function queued(more: Partial<QueuedRun> = {}): QueuedRun {
  return { id: runId(1), pool: GPT, waitsMs: 1_000, notBefore: undefined, missing: [], ...more };
}

function facts(more: Partial<PoolFacts> = {}): PoolFacts {
  return {
    now: NOW,
    workers: [worker()],
    backlog: new Map(),
    holds: new Map(),
    queued: 0,
    running: 0,
    waiting: 0,
    reasons: new Map(),
    oldest: [],
    health: { leader: undefined, lastPass: undefined, healed: {}, latest: [] },
    corrupt: [],
    ...more,
  };
}

function troubles(given: PoolFacts) {
  return poolFindings(given, "1.0.0").filter(({ status }) => status !== "ok");
}

test("nothing is wrong with an idle worker of this version", () => {
  expect(troubles(facts({ backlog: new Map([[OPUS, 0]]) }))).toEqual([]);
});

test("a worker whose claims Redis refuses fails, with the pools, though it lives", () => {
  const failing = worker({ failingByPool: { [GPT]: 12 } });
  expect(troubles(facts({ workers: [worker(), failing] }))).toEqual([
    {
      status: "fail",
      name: "claims",
      found: "alpha (process 7), 1.0.0: Redis refuses its claims of openai/gpt-5.2",
      advice: "its log says why; bring all workers to one version, and let its Redis user call scripts",
    },
  ]);
});

test("a pool with runs and without a worker fails, with the command that helps", () => {
  expect(
    troubles(
      facts({
        backlog: new Map([
          [GPT, 3],
          [OPUS, 1],
        ]),
      }),
    ),
  ).toEqual([
    {
      name: "pool",
      status: "fail",
      found: `${OPUS}: 1 run and no live worker that serves it`,
      advice: `baton worker -m ${OPUS}`,
    },
  ]);
});

test("no worker at all is a warning only when a run waits", () => {
  expect(troubles(facts({ workers: [] }))).toEqual([]);
  expect(troubles(facts({ workers: [], queued: 1 }))).toMatchObject([{ name: "workers", status: "warn" }]);
});

test("versions that differ are told, among workers and against this command", () => {
  const mixed = facts({ workers: [worker(), worker({ workerId: "b", version: "0.9.0" })] });
  expect(troubles(mixed)).toMatchObject([{ name: "versions", found: "workers run 0.9.0 and 1.0.0" }]);
  const old = facts({ workers: [worker({ version: "0.9.0" })] });
  expect(troubles(old)).toMatchObject([{ found: "workers run 0.9.0, this command is 1.0.0" }]);
});

test("a paused pool says how to go on, a rate limited one goes on by itself", () => {
  const holds = new Map([
    [GPT, Number.POSITIVE_INFINITY],
    [OPUS, 12_300],
  ]);
  expect(troubles(facts({ holds }))).toMatchObject([
    { status: "warn", found: `${GPT} is paused, with 0 runs`, advice: `baton pools resume ${GPT}` },
    { status: "warn", found: expect.stringMatching(/rests for 12\.3 s/) },
  ]);
});

test("runs that wait for what no worker has fail, together by what is missing", () => {
  const missing = ["server:exa"];
  const oldest = [1, 2].map((number) => queued({ id: runId(number), missing }));
  expect(troubles(facts({ queued: 2, oldest }))).toMatchObject([
    {
      name: "unfit",
      status: "fail",
      found: expect.stringMatching(/^2 runs wait .*openai\/gpt-5\.2: server:exa$/),
    },
  ]);
});

test("a run that waits beside a free worker is a warning; beside a busy, a held or no worker it is not", () => {
  const oldest = [queued({ waitsMs: 61_000 })];
  expect(troubles(facts({ oldest }))).toMatchObject([
    { name: "backlog", status: "warn", found: expect.stringMatching(/waits for 1 min 01 s though a worker/) },
  ]);
  expect(troubles(facts({ oldest, workers: [worker({ active: 2 })] }))).toEqual([]);
  expect(troubles(facts({ oldest, workers: [worker({ patterns: ["xai/*"] })] }))).toEqual([]);
  expect(troubles(facts({ oldest, holds: new Map([[GPT, 5_000]]) }))).toMatchObject([{ name: "pool" }]);
  expect(troubles(facts({ oldest: [queued({ waitsMs: 61_000, notBefore: NOW + 1 })] }))).toEqual([]);
});

test("many workers are not all listed, but all counted", () => {
  const workers = Array.from({ length: 11 }, (_, place) => worker({ workerId: String(place) }));
  const lines = poolFindings(facts({ workers }), "1.0.0");
  expect(lines.filter(({ name }) => name === "worker")).toHaveLength(8);
  expect(lines).toContainEqual({ name: "workers", status: "ok", found: "3 more, 11 in all" });
});

test("runs that wait for an outside act are counted by reason", () => {
  const reasons = new Map([
    ["approval", 2],
    ["budget", 1],
  ]);
  expect(poolFindings(facts({ waiting: 5, reasons }), "1.0.0").at(-1)?.found).toMatch(
    /^5 runs: 2 approval, 1 budget \(of the newest 3\)/,
  );
});
