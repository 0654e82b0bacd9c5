import { expect, test } from "vitest";
import { useRedis } from "../support/redis.ts";
import { call, scriptedModels, text } from "../support/scripted-model.ts";
import { openRig } from "../support/worker-rig.ts";

const redis = useRedis();

test("a run goes from the coordinator to the writer and ends with the writer's text", async () => {
  await using rig = await openRig(redis.url);
  const models = scriptedModels((request) =>
    request.model === "openai/gpt"
      ? {
          parts: [
            text("found things"),
            call("transfer_to_anthropic_claude", { reason: "write", brief: "write it" }),
          ],
        }
      : { parts: [text("a fine text")] },
  );
  await rig.startWorker({ adapters: models.adapters, patterns: ["openai/*", "anthropic/*"] });
  const { runId } = await rig.producer.submit({ input: "go", model: ["openai/gpt", "anthropic/claude"] });
  const result = await rig.producer.result(runId, AbortSignal.timeout(10_000));
  expect(result).toMatchObject({
    status: "succeeded",
    final_output: "a fine text",
    models_used: ["openai/gpt", "anthropic/claude"],
    tools_called: [],
  });
  expect(models.calls.map((one) => one.model)).toEqual(["openai/gpt", "anthropic/claude"]);
  expect(result.phases.map((phase) => phase.status)).toEqual(["succeeded", "succeeded"]);
});
