/** A reply that the output limit cut in the middle of a call must not run a tool by what was not said. */
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, text } from "../../../test/support/scripted-model.ts";
import { desk, isAfterTool, openFlow } from "./testing/flow-rig.ts";

const redis = useRedis();

test.each([
  ["whose arguments had not begun is not run, and the model is told", {}, ["list"]],
  ["whose arguments came is run", { folder: "old" }, ["list", "remove"]],
])("the last call of a reply that was cut, %s", async (_what, removed, ran) => {
  const tools = desk({ list: {}, remove: {} }, ({ name }) => `${name} done`);
  await using flow = await openFlow(redis.url, (request) =>
    isAfterTool(request)
      ? { parts: [text("done")] }
      : { parts: [call("list"), call("remove", removed)], stopReason: "length" },
  );
  await flow.startWorker({ tools });
  const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt", mcp_servers: ["desk"] });
  expect(await flow.ended(runId)).toMatchObject({ status: "succeeded" });
  expect(tools.calls.map(({ name }) => name).toSorted()).toEqual(ran);
  const results = flow.models.calls.at(-1)?.request.items.flatMap(({ parts }) => parts);
  expect(results?.find((part) => part.type === "tool_result" && part.name === "remove")).toMatchObject({
    isError: ran.length === 1,
  });
});

test("a call without arguments is run when nothing was cut", async () => {
  const tools = desk({ list: {} }, () => "done");
  await using flow = await openFlow(redis.url, (request) => ({
    parts: isAfterTool(request) ? [text("done")] : [call("list")],
  }));
  await flow.startWorker({ tools });
  const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt", mcp_servers: ["desk"] });
  await flow.ended(runId);
  expect(tools.calls).toHaveLength(1);
});
