/** A run whose conversation cannot be read must come to an end, and not go round for ever. */
import { runKeys } from "@baton/store";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { openFlow } from "./testing/flow-rig.ts";

const redis = useRedis();

test("a run whose conversation cannot be read fails, as one that kills its workers does", async () => {
  await using flow = await openFlow(redis.url, () => ({ parts: [text("done")] }), {
    limits: { takeoversMax: 1 },
  });
  const { runId } = await flow.producer.submit({ input: "?", model: "openai/gpt" });
  // As a newer version might have written it: an item that this one does not know.
  await flow.rig.ledger.redis.lset(runKeys(runId).log, 0, JSON.stringify({ v: 2, seq: 0 }));
  await flow.startWorker();
  const run = await until(
    async () => {
      const { run } = await flow.producer.get(runId);
      return run.status === "failed" || (run.phases[0]?.attempts ?? 0) > 3 ? run : undefined;
    },
    { what: "the end, or the fourth attempt", withinMs: 40_000 },
  );
  expect(run).toMatchObject({ status: "failed" });
}, 50_000);
