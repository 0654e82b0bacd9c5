/** A pause that is asked for while a phase waits out a short hold in its place stops the next call. */
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { openFlow, watchBeats } from "./testing/flow-rig.ts";
import { gpt } from "./testing/log.ts";

const redis = useRedis();

test("a run that is paused in a short hold makes no call more", async () => {
  const go = Promise.withResolvers<void>();
  let calls = 0;
  await using flow = await openFlow(redis.url, async () => {
    calls += 1;
    if (calls > 1) return { parts: [text("done")] };
    await go.promise;
    return { parts: [text("paused")], stopReason: "pause_turn" as const };
  });
  const beats = watchBeats();
  await flow.startWorker({ patterns: ["openai/gpt"], wrap: beats.wrap });
  const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt" });
  await until(() => calls === 1, { what: "the first call" });
  await flow.rig.ledger.hold(gpt, { kind: "for", ms: 950 });
  await beats.next();
  go.resolve();
  await until(async () => (await flow.producer.get(runId)).run.turns === 1, { what: "the first turn" });
  await flow.producer.pause(runId);
  await until(async () => ["waiting", "succeeded"].includes((await flow.producer.get(runId)).run.status), {
    what: "the pause",
  });
  expect((await flow.producer.get(runId)).run).toMatchObject({ status: "waiting", turns: 1 });
  expect(calls).toBe(1);
});
