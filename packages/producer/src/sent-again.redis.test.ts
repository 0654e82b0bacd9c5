/** Acts that are sent again, as after an answer that was lost: what was done already is not done twice, and told as such. */
import type { RunId } from "@baton/core";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, type Script, scriptedModels, text } from "../../../test/support/scripted-model.ts";
import { openRig } from "../../../test/support/worker-rig.ts";
import { desk } from "../../worker/src/testing/flow-rig.ts";

const redis = useRedis();
const done = { code: "not_possible" };
const unknown = { code: "invalid_spec" };

async function open(script: Script, tools?: ReturnType<typeof desk>) {
  const rig = await openRig(redis.url);
  const { adapters } = scriptedModels(script);
  await rig.startWorker({
    adapters,
    patterns: ["openai/*"],
    ...(tools && { tools, capabilities: new Set(["server:desk"]) }),
  });
  const settled = (id: RunId) => rig.producer.untilSettled(id, AbortSignal.timeout(10_000));
  return {
    producer: rig.producer,
    settled,
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

const resultOf = (id: string) => ({ tool_results: [{ tool_call_id: id, content: "yes" }] });

test("a result that a run has already, though it waits for another by now", async () => {
  const script: Script = ({ items }) => {
    const results = items.filter(({ role }) => role === "tool").length;
    return { parts: [results === 0 ? call("one") : results === 1 ? call("two") : text("done")] };
  };
  await using rig = await open(script);
  const { producer, settled } = rig;
  const tools = ["one", "two"].map((name) => ({ type: "function", function: { name } }));
  const { runId } = await producer.submit({ input: "?", model: "openai/gpt", tools });
  await settled(runId);
  await producer.input(runId, resultOf("call_one"));
  const { run } = await settled(runId);
  expect(run.status).toBe("waiting");
  await expect(producer.input(runId, resultOf("call_one"))).rejects.toMatchObject(done);
  await expect(producer.input(runId, resultOf("call_three"))).rejects.toMatchObject(unknown);
  expect((await producer.get(runId)).run.items).toBe(run.items);
  await producer.input(runId, resultOf("call_two"));
  expect((await settled(runId)).run.status).toBe("succeeded");
});

test("a word on a call that was made already, though the run asks for another by now", async () => {
  const script: Script = ({ items }) => {
    const results = items.filter(({ role }) => role === "tool").length;
    return {
      parts: [results === 0 ? call("send") : results === 1 ? call("send", {}, "call_2") : text("done")],
    };
  };
  const host = desk({ send: { approval: true } }, () => "sent");
  await using rig = await open(script, host);
  const { producer, settled } = rig;
  const { runId } = await producer.submit({ input: "?", model: "openai/gpt", mcp_servers: ["desk"] });
  await settled(runId);
  await producer.approve(runId, { calls: ["call_send"] });
  const { run } = await settled(runId);
  expect(run).toMatchObject({ status: "waiting", reason: "approval" });
  for (const again of [producer.approve, producer.reject]) {
    await expect(again.call(producer, runId, { calls: ["call_send"] })).rejects.toMatchObject(done);
    await expect(again.call(producer, runId, { calls: ["other"] })).rejects.toMatchObject(unknown);
  }
  expect((await producer.get(runId)).run.items).toBe(run.items);
  expect(host.calls).toHaveLength(1);
  await producer.approve(runId, { calls: ["call_2"] });
  expect((await settled(runId)).run.status).toBe("succeeded");
});

test("a cancel, a pause, a resume, a retry", async () => {
  await using rig = await openRig(redis.url);
  const { producer } = rig;
  const { runId } = await producer.submit({ input: "?", model: "openai/gpt" });
  await producer.pause(runId);
  await expect(producer.pause(runId)).rejects.toMatchObject(done);
  await producer.resume(runId);
  await expect(producer.resume(runId)).rejects.toMatchObject(done);
  await expect(producer.resume(runId, { budget: { tokens: 9 } })).rejects.toMatchObject(done);
  await producer.cancel(runId);
  await expect(producer.cancel(runId)).rejects.toMatchObject(done);
  await producer.retry(runId, { input: "again" });
  await expect(producer.retry(runId, { input: "again" })).rejects.toMatchObject(done);
  expect(await producer.conversation(runId)).toHaveLength(3);
});
