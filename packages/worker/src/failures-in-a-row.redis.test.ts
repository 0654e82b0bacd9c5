/** Attempts are failures in a row: a reply in between starts the count anew, also within one claim. */
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, text } from "../../../test/support/scripted-model.ts";
import { desk, failWith, isAfterTool, openFlow } from "./testing/flow-rig.ts";

const redis = useRedis();

test("a failure behind a written reply of the same claim is the first one again", async () => {
  let calls = 0;
  const tools = desk({ look: { readOnly: true } }, () => "seen");
  await using flow = await openFlow(
    redis.url,
    (request) => {
      calls += 1;
      // Fails, replies with a call, fails once more, ends: never twice in a row.
      if (calls === 1 || calls === 3) return failWith("provider_overloaded", { after: 1 });
      return { parts: [isAfterTool(request) ? text("done") : call("look")] };
    },
    { limits: { modelAttemptsMax: 2 } },
  );
  await flow.startWorker({ tools });
  const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt", mcp_servers: ["desk"] });
  expect(await flow.ended(runId)).toMatchObject({ status: "succeeded", final_output: "done" });
  expect(calls).toBe(4);
});
