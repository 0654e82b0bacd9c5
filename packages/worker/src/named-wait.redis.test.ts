/** A provider that names no wait to speak of, again and again, must not use all attempts up in a moment. */
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { text } from "../../../test/support/scripted-model.ts";
import { failWith, openFlow } from "./testing/flow-rig.ts";

const redis = useRedis();

test("429 with retry-after 0 for three seconds does not fail a run", async () => {
  let since = 0;
  await using flow = await openFlow(redis.url, () => {
    since ||= performance.now();
    if (performance.now() - since < 3_000) return failWith("provider_rate_limited", { after: 0 });
    return { parts: [text("done")] };
  });
  await flow.startWorker();
  const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt" });
  const result = await flow.ended(runId);
  expect(result).toMatchObject({ status: "succeeded" });
});
