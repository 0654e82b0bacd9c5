/** A worker whose every claim Redis refuses, as one of another version may: it says so, asks seldom, and goes on when it may. */
import { listWorkers, runKeys } from "@baton/store";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { openFlow } from "./testing/flow-rig.ts";

const redis = useRedis();

test("a worker whose claims are refused tells it with its beat, keeps its runs' tickets, and works when they are taken", async () => {
  await using flow = await openFlow(redis.url, () => ({ parts: [text("done")] }));
  const admin = redis.connect();
  const submitted = await Promise.all(
    ["a", "b", "c"].map((input) =>
      flow.producer.submit({ input, model: "openai/gpt", mcp_servers: ["desk"] }),
    ),
  );
  // What another version might have made of it: the script that claims stops there.
  const needs = submitted.map(({ runId }) => runKeys(runId).needs);
  for (const key of needs) await admin.rename(key, `${key}:kept`);
  for (const key of needs) await admin.rpush(key, "of another kind");
  await flow.startWorker();
  const failing = async () => (await listWorkers(admin))[0]?.failingByPool["openai/gpt"] ?? 0;
  await until(async () => (await failing()) >= 3, { what: "the fact in the beat" });
  const pools = await flow.producer.pools();
  expect(pools).toMatchObject([{ workers: 1, failing: 1 }]);
  for (const { runId } of submitted) {
    expect((await flow.producer.get(runId)).run, "it was not queued anew").toMatchObject({
      status: "queued",
      ticket: 1,
    });
  }
  expect(flow.models.calls).toHaveLength(0);
  for (const key of needs) await admin.rename(`${key}:kept`, key);
  // How long the last backoffs and rests are depends on how often it was refused before.
  for (const { runId } of submitted) {
    const succeeded = async () => (await flow.producer.get(runId)).run.status === "succeeded";
    await until(succeeded, { what: "the end of the run", withinMs: 60_000 });
  }
  await until(async () => (await failing()) === 0, { what: "the end of the fact" });
}, 120_000);
