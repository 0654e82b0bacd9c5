/** A pause holds while a person answers what the run had asked before. */
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, text } from "../../../test/support/scripted-model.ts";
import { desk, isAfterTool, openFlow } from "./testing/flow-rig.ts";

const redis = useRedis();

test("an approval does not take back a pause that came after the question", async () => {
  const tools = desk({ send: { approval: true } }, () => "sent");
  await using flow = await openFlow(redis.url, (request) => ({
    parts: [isAfterTool(request) ? text("done") : call("send")],
  }));
  await flow.startWorker({ tools });
  const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt", mcp_servers: ["desk"] });
  await flow.reached(runId, "waiting");
  await flow.producer.pause(runId);
  expect((await flow.producer.get(runId)).run).toMatchObject({ status: "waiting", reason: "paused" });
  await flow.producer.approve(runId).catch(() => undefined);
  const { run } = await flow.producer.get(runId);
  expect(run).toMatchObject({ status: "waiting", reason: "paused" });
  expect(tools.calls).toEqual([]);
});
