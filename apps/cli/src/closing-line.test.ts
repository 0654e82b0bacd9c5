/** What is said of a run at its end, whoever came to watch it and when. */
import { resultOf, runSchema } from "@baton/core";
import { expect, test } from "vitest";
import { closingLine } from "./closing-line.ts";

const usage = {
  ...{ inputTokens: 4_752, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 621 },
  reasoningTokens: 0,
};
const common = {
  ...{ id: `r_0_${"0".repeat(26)}`, model: "openai/gpt", ticket: 1, epoch: 1, items: 1, turns: 0 },
  ...{ handoffs: 0, takeovers: 0, createdAt: 1_000, updatedAt: 2_000, usage, phases: [] },
};

test("a run that is over took from its submission to its end, also when it is looked at days later", () => {
  const run = runSchema.parse({ ...common, status: "cancelled", endedAt: 66_000 });
  expect(closingLine(run, resultOf(run, []))).toBe(
    "cancelled in 1 min 05 s · no model has answered · 4,752 tokens in, 621 out",
  );
});

test("one that goes on has no length", () => {
  const run = runSchema.parse({ ...common, status: "running", pausing: false });
  expect(closingLine(run, resultOf(run, []))).toMatch(/^running · /);
});
