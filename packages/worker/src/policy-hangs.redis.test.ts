/** Whatever a phase waits for, its timeout and a cancel reach it: a policy function too. */
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { openFlow } from "./testing/flow-rig.ts";

const redis = useRedis();

async function openStuck() {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<undefined>();
  const flow = await openFlow(redis.url, () => ({ parts: [text("done")] }), {
    policies: {
      stuck: () => {
        asked.resolve();
        return answer.promise;
      },
    },
  });
  const worker = await flow.startWorker({ capabilities: new Set(["policy:stuck"]) });
  return { flow, worker, asked: asked.promise, release: () => answer.resolve(undefined) };
}

test("a phase whose policy does not answer fails at its timeout", async () => {
  const { flow, asked, release } = await openStuck();
  await using _flow = flow;
  const spec = { input: "?", model: "openai/gpt", policy: "stuck", phase_timeout: 0.5 };
  const { runId } = await flow.producer.submit(spec);
  await asked;
  const late = performance.now() + 3_000;
  try {
    await until(
      async () => (await flow.producer.get(runId)).run.status === "failed" || performance.now() > late,
      { what: "the timeout, or three seconds" },
    );
    expect((await flow.producer.get(runId)).run.status).toBe("failed");
  } finally {
    release();
  }
});

test("a cancel frees the worker's place while the policy does not answer", async () => {
  const { flow, worker, asked, release } = await openStuck();
  await using _flow = flow;
  const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt", policy: "stuck" });
  await asked;
  await flow.producer.cancel(runId);
  const late = performance.now() + 3_000;
  try {
    await until(() => worker.active === 0 || performance.now() > late, { what: "a free place" });
    expect(worker.active).toBe(0);
  } finally {
    release();
  }
});
