/** Very many who wait for one run: what each event of the run asks of Redis does not grow with them. */
import { connectStore, runKeys } from "@baton/store";
import { expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { systemIds } from "../../../test/support/worker-rig.ts";
import { Producer } from "./producer.ts";

const redis = useRedis();
const WAITS = 200;
const HINTS = 30;

test.each(["untilSettled", "result"] as const)("%s asks once for all who wait", async (how) => {
  await using store = await connectStore({ url: redis.url, retentionMs: 0, onError: () => undefined });
  const { ledger, queues, hub } = store;
  let looks = 0;
  const glance: typeof ledger.glance = (id) => {
    looks += 1;
    return ledger.glance(id);
  };
  const read: typeof ledger.read = (id) => {
    looks += 1;
    return ledger.read(id);
  };
  const producer = new Producer({ queues, hub, ids: systemIds, ledger: { ...ledger, glance, read } });
  const { runId } = await producer.submit({ input: "hi", model: "openai/gpt" });
  const signal = AbortSignal.timeout(30_000);
  const waits = Array.from({ length: WAITS }, async () => {
    const ended = await producer[how](runId, signal);
    return "run" in ended ? ended.run.status : ended.status;
  });
  await until(() => hub.waiters >= WAITS && looks > 0, { what: "all to wait" });
  await using own = await hub.subscribe(runId);
  for (let hint = 0; hint < HINTS; hint += 1) {
    const before = looks;
    await ledger.redis.publish(runKeys(runId).events, "");
    await own.wait(signal);
    await until(() => looks > before, { what: "a look at the hint" });
  }
  // One that was under way, and one behind it; none for each of those who wait.
  expect(looks).toBeLessThan(4 * HINTS);
  await producer.cancel(runId);
  expect(await Promise.all(waits)).toEqual(Array(WAITS).fill("cancelled"));
});
