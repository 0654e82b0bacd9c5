/** A worker that lacks an encryption key leaves the run to one that has it, however late it finds out. */

import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { text } from "../../../test/support/scripted-model.ts";
import { until } from "../../../test/support/until.ts";
import { claimed, commitOf, itemAt, newOp } from "../../store/src/testing/make-run.ts";
import { testCipher } from "../../store/src/testing/test-cipher.ts";
import { openFlow } from "./testing/flow-rig.ts";
import { gpt } from "./testing/log.ts";

const redis = useRedis();
const done = () => ({ parts: [text("done")] });

test("a run that was begun under a worker's key and answered under another is put back, and does not fail", async () => {
  await using early = await openFlow(redis.url, done, {}, testCipher("k1"));
  await using rotated = await openFlow(redis.url, done, {}, testCipher("k2", "k1"));
  const { runId } = await early.producer.submit({ input: "?", model: "openai/gpt" });
  // It waits, and somebody with the new key answers it.
  const { claim } = await claimed(early.rig.ledger, { runId, ticket: 1, pool: gpt });
  await early.rig.ledger.commit(claim, commitOf(1, { kind: "wait", reason: "approval" }));
  const { ledger, queues } = rotated.rig;
  const reply = await ledger.resume(runId, newOp(), { length: 1, items: [itemAt(1)] });
  if (reply.kind !== "done" || reply.entry === undefined) throw new Error("it was not queued again");
  await queues.enqueue(reply.entry);
  const worker = await early.startWorker();
  const { run } = await until(
    async () => {
      const found = await rotated.producer.get(runId);
      return found.run.status === "queued" && found.run.notBefore !== undefined ? found : undefined;
    },
    { what: "the run to be put back" },
  );
  expect(run).toMatchObject({ failures: 0, takeovers: 0, phases: [{ attempts: 2 }] });
  expect(early.models.calls).toHaveLength(0);
  await worker.stop(0);
  await rotated.startWorker();
  expect(await rotated.ended(runId)).toMatchObject({ status: "succeeded", final_output: "done" });
}, 40_000);
