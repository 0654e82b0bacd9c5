/** Half of a character in what a model writes, and what a watcher is shown of a result: no answer is unreadable for it. */
import { runKeys } from "@baton/store";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, text } from "../../../test/support/scripted-model.ts";
import { desk, isAfterTool, openFlow } from "./testing/flow-rig.ts";

const redis = useRedis();

test("models, watchers and whoever reads the result get whole characters alone", async () => {
  // What is shown of it ends in the middle of one.
  const tools = desk({ list: {} }, () => `${"x".repeat(199)}\u{1f600}${"x".repeat(99)}`);
  await using flow = await openFlow(redis.url, (request) => ({
    parts: isAfterTool(request) ? [text("done \ud83d")] : [text("so \ud83d"), call("list", { q: "\ud83d" })],
  }));
  await flow.startWorker({ tools });
  const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt", mcp_servers: ["desk"] });
  expect(await flow.ended(runId)).toMatchObject({ status: "succeeded" });
  const stream = await flow.rig.ledger.redis.xrange(runKeys(runId).events, "-", "+");
  const shown = stream.flatMap(([, fields]) => fields).filter((one) => one.includes("tool_end"));
  expect(shown).toHaveLength(1);
  const items = await flow.producer.conversation(runId);
  expect(items.at(-1)?.parts).toEqual([text("done \ufffd")]);
  for (const json of [
    ...shown,
    JSON.stringify(items),
    JSON.stringify(flow.models.calls.at(-1)?.request.items),
  ])
    expect(json).not.toMatch(/\\ud[89a-f]/);
});
