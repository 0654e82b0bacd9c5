/** Runs as the API tells them. */
import { type RunId, runIdSchema, runSchema, wireRun } from "@baton/core";

export const RUN_ID: RunId = runIdSchema.parse(`r_0_${"0".repeat(25)}1`);

/** A run that just came in; `more` goes over it. */
export function runView(more: object = {}): object {
  const usage = {
    ...{ inputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 0 },
    reasoningTokens: 0,
  };
  const run = runSchema.parse({
    ...{ id: RUN_ID, status: "queued", model: "openai/gpt", ticket: 1, epoch: 1, items: 1, turns: 0 },
    ...{ handoffs: 0, takeovers: 0, createdAt: 1, updatedAt: 2, usage, phases: [], endedAt: 3 },
    ...{ pausing: false, reason: "paused", error: { code: "internal", message: "it failed" }, ...more },
  });
  return {
    ...wireRun(run),
    ...{
      final_output: null,
      models_used: [],
      tools_called: [],
      spec: { model: "openai/gpt" },
      created: true,
    },
  };
}
