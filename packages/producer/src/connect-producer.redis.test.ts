import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, scriptedModels, text } from "../../../test/support/scripted-model.ts";
import { openRig } from "../../../test/support/worker-rig.ts";
import { connectProducer } from "./connect-producer.ts";
import { Runner } from "./runner.ts";

const redis = useRedis();

test("a program connects, runs two models through a worker elsewhere, and closes", async () => {
  await using rig = await openRig(redis.url);
  const { adapters } = scriptedModels(({ model }) => ({
    parts: model.startsWith("openai/")
      ? [text("facts"), call("transfer_to_anthropic_claude", { reason: "write", brief: "write" })]
      : [text("an essay")],
  }));
  await rig.startWorker({ adapters, patterns: ["openai/*", "anthropic/*"] });
  await using connection = await connectProducer({ url: redis.url });
  const result = await new Runner(connection).run({
    input: "Research tidal power, then write an essay about it",
    model: ["openai/gpt", "anthropic/claude"],
  });
  expect(result.finalOutput).toBe("an essay");
  expect(result.modelsUsed).toEqual(["openai/gpt", "anthropic/claude"]);
  expect(result.usage).toMatchObject({ inputTokens: 20 });
});

test("a Redis that is not there is said at once", async () => {
  await expect(connectProducer({ url: "redis://127.0.0.1:1" })).rejects.toMatchObject({
    code: "redis_unreachable",
  });
});
