/** A call that was never made must not be answered as one whose outcome is unknown. */
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { desk, isAfterTool, openFlow } from "./testing/flow-rig.ts";

const redis = useRedis();

test("a worker that is told to hand back starts no further call, and writes no marker for one", async () => {
  let handBack = () => {};
  const tools = desk({ send: {}, pay: {} }, ({ name }) => {
    if (name === "send") handBack();
    return `${name} done`;
  });
  // As the real host does: what is aborted is not begun.
  const host = {
    ...tools,
    call: async (...[invocation, signal]: Parameters<typeof tools.call>) => {
      signal.throwIfAborted();
      return tools.call(invocation, signal);
    },
  };
  await using flow = await openFlow(
    redis.url,
    (request) => ({ parts: isAfterTool(request) ? [text("done")] : [call("send"), call("pay")] }),
    { limits: { parallelToolCalls: 1 } },
  );
  const first = await flow.startWorker({ tools: host });
  handBack = () => {
    handBack = () => {};
    first.handBack();
  };
  const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt", mcp_servers: ["desk"] });
  expect(await flow.ended(runId)).toMatchObject({ status: "succeeded" });
  await until(() => first.active === 0, { what: "the place to be free" });
  expect(tools.calls.map(({ name }) => name)).toEqual(["send", "pay"]);
});
