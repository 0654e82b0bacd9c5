import { NO_USAGE, type RunSpecInput } from "@baton/core";
import { expect, test } from "vitest";
import { formatTries, formatUsage, parseTries, parseUsage, readRunRecord } from "./run-record.ts";
import { ALPHA, BETA, draft, specOf } from "./testing/make-run.ts";

const { id } = draft();
const QUEUED = {
  v: "1",
  status: "queued",
  pool: ALPHA,
  ticket: "1",
  epoch: "1",
  claim: "",
  phase: "0",
  len: "1",
  created: "1700000000000",
  updated: "1700000000000",
  attempts: "0",
  turns: "0",
  total_turns: "0",
  handoffs: "0",
};
const usage = {
  inputTokens: 10,
  cachedInputTokens: 4,
  cacheWriteTokens: 3,
  outputTokens: 2,
  reasoningTokens: 1,
};
const closed = (seq: number, model: string, status: string) =>
  JSON.stringify([seq, model, status, 1, 1, 2, 1, formatUsage({ ...usage, costUsd: 0 })]);

const read = (
  fields: Readonly<Record<string, string>>,
  phases: readonly string[] = [],
  spec?: RunSpecInput,
) => readRunRecord(id, { ...QUEUED, ...fields }, phases, spec === undefined ? undefined : specOf(spec));

test("a record without a status is no run", () => {
  expect(readRunRecord(id, {}, [], undefined)).toBeUndefined();
});

test.each([
  [
    "queued",
    { not_before: "5", missing: "server:a\nfunction:b" },
    { notBefore: 5, missing: ["server:a", "function:b"] },
  ],
  ["running", { pausing: "1" }, { pausing: true }],
  ["waiting", { reason: "approval" }, { reason: "approval" }],
  ["succeeded", { ended: "7" }, { endedAt: 7 }],
  [
    "failed",
    { ended: "7", error_code: "poison", error_message: "m" },
    { error: { code: "poison", message: "m" } },
  ],
  ["cancelled", { ended: "7" }, { endedAt: 7 }],
])("a %s run has what belongs to its status", (status, fields, expected) => {
  expect(read({ status, ...fields })).toMatchObject({ id, status, ...expected });
});

test("a field that is empty is absent", () => {
  const run = read({ not_before: "", missing: "", deadline: "", ended: "", reason: "", pausing: "" });
  for (const name of ["notBefore", "missing", "deadline", "endedAt"]) expect(run).not.toHaveProperty(name);
});

test("what belongs to another status is not shown", () => {
  const run = read({
    status: "running",
    not_before: "5",
    reason: "paused",
    ended: "7",
    error_code: "poison",
  });
  for (const name of ["notBefore", "reason", "endedAt", "error"]) expect(run).not.toHaveProperty(name);
});

test("the open phase stands behind the closed ones, and usage is the sum of all", () => {
  const run = read({ status: "running", pool: BETA, phase: "1", attempts: "2", usage: "1 0 0 1 0" }, [
    closed(0, ALPHA, "succeeded"),
  ]);
  expect(run?.phases).toMatchObject([
    { seq: 0, model: ALPHA, status: "succeeded" },
    { seq: 1, model: BETA, status: "running", attempts: 2 },
  ]);
  expect(run?.usage).toEqual({ ...usage, inputTokens: 11, outputTokens: 3 });
});

test("a run that ended has no open phase", () => {
  const run = read({ status: "succeeded", ended: "9" }, [closed(0, ALPHA, "succeeded")]);
  expect(run?.phases).toHaveLength(1);
});

test("phases of a pipeline have the names of its steps, and one that failed shares its step with the next", () => {
  const phases = [
    { name: "research", model: ALPHA },
    { name: "write", model: BETA },
  ];
  const fallen = [closed(0, ALPHA, "failed"), closed(1, BETA, "succeeded")];
  const run = read({ phase: "2" }, fallen, { model: undefined, phases });
  expect(run?.phases.map(({ name }) => name)).toEqual(["research", "research", "write"]);
  const fork = read({ phase: "1" }, [], { model: undefined, phases });
  expect(fork?.phases.map(({ name }) => name)).toEqual(["write"]);
});

test("a record that cannot be read is store_corrupt, with the run's id", () => {
  expect(() => read({ epoch: "x" })).toThrow(
    expect.objectContaining({ code: "store_corrupt", fields: { runId: id } }),
  );
});

test("usage and cost go through their numbers unchanged", () => {
  const unpriced = { ...usage, costUsd: null };
  const priced = { ...usage, costUsd: 0.000_123_456 };
  expect(parseUsage(formatUsage(unpriced))).toEqual(unpriced);
  expect(parseUsage(formatUsage(priced))).toEqual(priced);
  expect(parseUsage(undefined)).toEqual({ ...NO_USAGE, costUsd: 0 });
  expect(parseUsage("")).toEqual({ ...NO_USAGE, costUsd: 0 });
});

test("a record from before prices were kept says that its cost is not known", () => {
  expect(parseUsage("1 0 0 1 0").costUsd).toBeNull();
});

test("failed calls and those that met a rate limit are counted apart", () => {
  expect(parseTries("0")).toEqual({ failures: 0, rateLimits: 0 });
  expect(parseTries(formatTries({ failures: 3, rateLimits: 12 }))).toEqual({ failures: 3, rateLimits: 12 });
  const run = read({ tries: "2/1", error_code: "provider_overloaded", error_message: "busy" });
  expect(run).toMatchObject({ failures: 3, lastFailure: { code: "provider_overloaded", message: "busy" } });
  expect(read({ tries: "0", error_code: "old", error_message: "old" })).not.toHaveProperty("lastFailure");
});

test("the cost of a run is that of its phases, and unknown as soon as one of them is", () => {
  const closed = (costUsd: number | null) =>
    JSON.stringify([0, ALPHA, "succeeded", 1, 1, 2, 1, formatUsage({ ...usage, costUsd })]);
  const open = { phase: "1", usage: "1 0 0 1 0 500000000" };
  expect(read(open, [closed(0.25)])?.costUsd).toBe(0.75);
  expect(read(open, [closed(null)])?.costUsd).toBeNull();
});
