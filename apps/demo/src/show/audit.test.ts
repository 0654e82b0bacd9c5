import { type Item, modelIdSchema, NO_USAGE, type Run, type RunId, runIdSchema } from "@baton/core";
import { expect, test } from "vitest";
import { type JournalEntry, RESEARCH_MODEL, TOPICS } from "../index.ts";
import { audit, isGood } from "./audit.ts";

const model = modelIdSchema.parse(RESEARCH_MODEL);
const runs = ["0", "1"].map((last) => runIdSchema.parse(`r_0_0000000000000000000000000${last}`));
const [killed, other] = runs;
if (killed === undefined || other === undefined) throw new Error("there are two");
const topics = new Map(runs.flatMap((id, index) => (TOPICS[index] ? [[id, TOPICS[index]] as const] : [])));
const KILLED_AT = 1_000;
const WENT_ON_AFTER_MS = 4_000;

function runOf(id: RunId): Run {
  const phase = {
    seq: 0,
    model,
    attempts: 1,
    turns: 1,
    startedAt: 0,
    endedAt: 9_000,
    usage: NO_USAGE,
    costUsd: 0,
  };
  return {
    ...{ id, model, ticket: 1, epoch: 2, items: 1, turns: 1, handoffs: 0, takeovers: 0, failures: 0 },
    ...{ createdAt: 0, updatedAt: 0, endedAt: 9_000, usage: NO_USAGE, costUsd: 0 },
    status: "succeeded",
    phases: [{ ...phase, status: "succeeded" }],
  };
}

function reply(responseId: string): Item {
  const origin = { provider: "openai", api: "openai-responses" as const, model, responseId };
  const parts = [{ type: "text" as const, text: "a text" }];
  return { v: 1, seq: 0, phase: 0, epoch: 2, at: 0, role: "assistant", parts, origin };
}

function sold(responseId: string, fingerprint: string, at: number): JournalEntry {
  return { number: 0, at, model: "gpt-5.2", step: "search", responseId, fingerprint };
}

/** Both runs have one reply each, `kept` and `other`; `killed` was at work at the worker that was killed. */
function auditOf(journal: readonly JournalEntry[], wentOnAfterMs: number | undefined = WENT_ON_AFTER_MS) {
  const producer = {
    get: (id: RunId) => Promise.resolve({ run: runOf(id), spec: { input: "x", model } }),
    conversation: (id: RunId) => Promise.resolve([reply(id === killed ? "kept" : "other")]),
  };
  const strike = {
    worker: "worker 1",
    pid: 1,
    at: KILLED_AT,
    runs: new Map([...topics.keys()].slice(0, 1).map((id) => [id, wentOnAfterMs] as const)),
  };
  return audit({ topics, producer, journal, strike, elapsedMs: 9_000 });
}

const good = [sold("kept", "a", 5_100), sold("other", "b", 900)];

test("a reply that the dead worker was waiting for is told apart, and is no fault", async () => {
  const outcome = await auditOf([sold("gone", "a", 990), ...good]);
  expect(outcome.purchases).toMatchObject({ sold: 3, written: 2, lost: 1, boughtAgain: 0 });
  expect(outcome.inFlightAtKill).toBe(1);
  expect(isGood(outcome)).toBe(true);
});

test("a loss that the kill does not explain is not put on it", async () => {
  const losses = [sold("late", "a", KILLED_AT + WENT_ON_AFTER_MS + 1), sold("elsewhere", "b", 800)];
  expect((await auditOf([...losses, ...good])).inFlightAtKill).toBe(0);
});

test("a written reply that was bought again is a fault", async () => {
  const outcome = await auditOf([...good, sold("again", "b", 7_000)]);
  expect(outcome.purchases.boughtAgain).toBe(1);
  expect(isGood(outcome)).toBe(false);
});

test("a run that never went on is a fault", async () => {
  const outcome = await auditOf(good);
  const strike = {
    ...outcome.strike,
    worker: "worker 1",
    pid: 1,
    at: 0,
    runs: new Map([[other, undefined]]),
  };
  expect(isGood({ ...outcome, strike })).toBe(false);
});

test("the result carries the topic as its custom_id", async () => {
  const { runs: outcomes } = await auditOf(good);
  expect(outcomes.map(({ result }) => result.custom_id)).toEqual([...topics.values()].map(({ id }) => id));
});
