import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, scriptedModels, text } from "../../../test/support/scripted-model.ts";
import { openRig } from "../../../test/support/worker-rig.ts";
import { testCipher, testKeysText } from "../../store/src/testing/test-cipher.ts";
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

test("a program whose keys are the workers' runs a model through them, and one without is refused", async () => {
  const encryptionKeys = testKeysText("k2", "k1");
  await using connection = await connectProducer({ url: redis.url, encryptionKeys });
  await using rig = await openRig(redis.url, {}, 1, testCipher("k2", "k1"));
  const { adapters } = scriptedModels(() => ({ parts: [text("an essay")] }));
  await rig.startWorker({ adapters, patterns: ["openai/*"] });
  const result = await new Runner(connection).run({ input: "Write an essay", model: "openai/gpt" });
  expect(result.finalOutput).toBe("an essay");
  const [log] = await rig.ledger.redis.lrange(`{baton}:run:${result.runId}:log`, 0, 0);
  expect(log).toMatch(/^~1\.k2\./);
  await expect(connectProducer({ url: redis.url })).rejects.toMatchObject({ code: "encryption_key_missing" });
  await expect(connectProducer({ url: redis.url, encryptionKeys: "k2:short" })).rejects.toMatchObject({
    code: "invalid_config",
  });
});

test("a Redis that is not there is said at once", async () => {
  await expect(connectProducer({ url: "redis://127.0.0.1:1" })).rejects.toMatchObject({
    code: "redis_unreachable",
  });
});
