import { newRunId, type RunId } from "@baton/core";
import { expect, test } from "vitest";
import { runSampler } from "./sampler.ts";
import { phaseSpanId, submittedAt, traceOfRun } from "./trace-ids.ts";

// The form of a run id is that of the schema.
const RUN = "r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V" as RunId;
const OTHER = "r_3_01J9ZC7Q8H2N3K4M5P6R7S8T9W" as RunId;
const TRACE = "0af7651916cd43dd8448eb211c80319c";

test("a run's ids are the same on every machine and in every version, and differ from another run's", () => {
  const run = traceOfRun(RUN, undefined);
  // Pinned: two versions at work at once must agree.
  expect(run).toEqual({
    traceId: "2744ad160b80cbbb37e8992102da71a9",
    runSpanId: "3baaa7823de11506",
    submitter: undefined,
  });
  expect(phaseSpanId(RUN, 2)).toBe("d7492186f393dbf9");
  expect(traceOfRun(OTHER, undefined).traceId).not.toBe(run.traceId);
  const spans = [run.runSpanId, phaseSpanId(RUN, 1), phaseSpanId(RUN, 2), phaseSpanId(OTHER, 1)];
  expect(new Set(spans).size).toBe(4);
  for (const span of spans) expect(span).toMatch(/^[0-9a-f]{16}$/);
});

test("with a submitter's context the trace is its own, the run's span still the run's; a broken one counts as none", () => {
  const own = traceOfRun(RUN, undefined);
  const joined = traceOfRun(RUN, `00-${TRACE}-b7ad6b7169203331-01`);
  expect(joined).toEqual({
    traceId: TRACE,
    runSpanId: own.runSpanId,
    submitter: { traceId: TRACE, spanId: "b7ad6b7169203331", sampled: true },
  });
  expect(traceOfRun(RUN, "00-nonsense")).toEqual(own);
});

test("when a run was submitted stands in its id", () => {
  const at = 1_790_000_123_456;
  expect(submittedAt(newRunId(12, { now: () => at, random: (size) => new Uint8Array(size) }))).toBe(at);
});

test("a share of the runs is sampled, the same ones by every worker; the submitter's decision goes before", () => {
  const half = runSampler({
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: "0.5",
  });
  const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));
  const runs = Array.from({ length: 2_000 }, () => newRunId(0, { now: Date.now, random }));
  const sampled = runs.filter((run) => half.isSampled(traceOfRun(run, undefined))).length;
  expect(sampled).toBeGreaterThan(800);
  expect(sampled).toBeLessThan(1_200);

  const withContext = (flags: string) => traceOfRun(RUN, `00-${TRACE}-b7ad6b7169203331-${flags}`);
  expect(half.isSampled(withContext("01"))).toBe(true);
  expect(half.isSampled(withContext("00"))).toBe(false);
  expect(runSampler({ OTEL_TRACES_SAMPLER: "always_on" }).isSampled(withContext("00"))).toBe(true);
  expect(runSampler({ OTEL_TRACES_SAMPLER: "always_off" }).isSampled(withContext("01"))).toBe(false);
  expect(runSampler({}).isSampled(traceOfRun(RUN, undefined))).toBe(true);
});

test.each([
  ["a sampler that is not known", { OTEL_TRACES_SAMPLER: "jaeger_remote" }],
  ["a share that is none", { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "2" }],
])("%s is said, and all is sampled", (_what, variables) => {
  const { problem, isSampled } = runSampler(variables);
  expect(problem).toMatch(/OTEL_TRACES_SAMPLER/);
  expect(isSampled(traceOfRun(RUN, undefined))).toBe(true);
});
