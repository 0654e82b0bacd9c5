import { expect, test } from "vitest";
import { type Run, runSchema } from "./run.ts";
import { runOfWire, wireRun, wireRunSchema } from "./wire-run.ts";

const common = {
  id: "r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V",
  model: "openai/gpt-5.2",
  ticket: 3,
  epoch: 7,
  items: 12,
  turns: 4,
  handoffs: 1,
  takeovers: 1,
  createdAt: 1_700_000_000_123,
  updatedAt: 1_700_000_050_456,
  deadline: 1_700_000_900_000,
  usage: { inputTokens: 9, cachedInputTokens: 3, cacheWriteTokens: 1, outputTokens: 5, reasoningTokens: 2 },
  costUsd: 0.0123,
  failures: 2,
  lastFailure: { code: "provider_overloaded", message: "busy" },
  phases: [
    {
      seq: 0,
      name: "research",
      model: "openai/gpt-5.2",
      status: "succeeded",
      attempts: 2,
      turns: 3,
      startedAt: 1_700_000_001_000,
      endedAt: 1_700_000_040_000,
      usage: {
        inputTokens: 9,
        cachedInputTokens: 3,
        cacheWriteTokens: 1,
        outputTokens: 5,
        reasoningTokens: 2,
      },
      costUsd: null,
    },
  ],
  metadata: { team: "a" },
  batch: "nightly",
  customId: "line 1",
  namespace: "team-a",
  forkedFrom: { run: "r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9W", items: 4 },
};

const each = [
  { status: "queued", notBefore: 1_700_000_060_000, missing: ["server:exa"] },
  { status: "running", pausing: true },
  { status: "waiting", reason: "approval", detail: "a person's word" },
  { status: "succeeded", endedAt: 1_700_000_050_456 },
  { status: "failed", endedAt: 1_700_000_050_456, error: { code: "max_turns", message: "too many" } },
  { status: "cancelled", endedAt: 1_700_000_050_456 },
].map((own): Run => runSchema.parse({ ...common, ...own }));

test.each(each)("a run that is $status comes back from the wire as it was", (run) => {
  const sent: unknown = JSON.parse(JSON.stringify(wireRun(run)));
  expect(runOfWire(wireRunSchema.parse(sent))).toEqual(run);
});
