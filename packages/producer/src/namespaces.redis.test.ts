/** Runs of a namespace, as producers and workers meet them: whose they are, how they are found, what they spend. */
import type { RunId } from "@baton/core";
import { expect, test, vi } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { call, scriptedModels, text } from "../../../test/support/scripted-model.ts";
import { openRig } from "../../../test/support/worker-rig.ts";

const redis = useRedis();
const SPEC = { input: "?", model: "openai/gpt" };

test("a run says whose it is; one that is not there is not found", async () => {
  await using rig = await openRig(redis.url);
  const { producer } = rig;
  const own = await producer.submit(SPEC, { namespace: "acme" });
  const fork = await producer.fork(own.runId);
  const nobodys = await producer.submit(SPEC);
  expect(await producer.ownerOf(own.runId)).toBe("acme");
  expect(await producer.ownerOf(fork.runId)).toBe("acme");
  expect(await producer.ownerOf(nobodys.runId)).toBeUndefined();
  // A well-formed id of no run.
  const unknown = `r_0_${"0".repeat(26)}` as RunId;
  await expect(producer.ownerOf(unknown)).rejects.toMatchObject({ code: "not_found" });
});

test("a namespace's runs are found without a look at any other run, within a batch too", async () => {
  await using rig = await openRig(redis.url);
  const { producer, ledger } = rig;
  const own: RunId[] = [];
  for (let place = 0; place < 20; place += 1) {
    const namespace = place % 5 === 0 ? "finder" : "others";
    const batch = place % 10 === 0 ? { id: `${namespace}/b`, customId: `${place}` } : undefined;
    const { runId } = await producer.submit(SPEC, { namespace, batch });
    if (namespace === "finder") own.push(runId);
  }
  const read = vi.spyOn(ledger, "outline");
  const found = await Array.fromAsync(producer.select({ status: "queued", namespace: "finder" }));
  expect(found.map(({ id }) => id).sort()).toEqual(own.toSorted());
  expect(read).toHaveBeenCalledTimes(own.length);
  const inBatch = { status: "queued", namespace: "finder", batch: "finder/b" } as const;
  expect(await Array.fromAsync(producer.select(inBatch))).toHaveLength(2);
  expect(await Array.fromAsync(producer.select({ ...inBatch, namespace: "others" }))).toEqual([]);
});

test("what a worker's replies take is counted for the namespace, and for the batch beside it", async () => {
  await using rig = await openRig(redis.url);
  const { producer, ledger } = rig;
  // One reply that is appended, and one that the commit writes.
  const models = scriptedModels(({ items }) =>
    items.at(-1)?.role === "user" ? { parts: [call("nothing")] } : { parts: [text("done")] },
  );
  await rig.startWorker({ adapters: models.adapters, patterns: ["openai/*"], price: () => 0.25 });
  const batch = { id: "payer/b", customId: "1" };
  for (const options of [{ namespace: "payer" }, { namespace: "payer", batch }, {}]) {
    const { runId } = await producer.submit(SPEC, options);
    const result = await producer.result(runId, AbortSignal.timeout(10_000));
    expect(result).toMatchObject({ status: "succeeded", cost_usd: 0.5 });
  }
  expect(await ledger.spaceUsage("payer")).toEqual({ tokens: 60, costUsd: 1, unpricedReplies: 0 });
  expect(await ledger.batch("payer/b")).toMatchObject({ tokens: 30, costUsd: 0.5 });
  expect(await ledger.countSpace("payer")).toMatchObject({ live: 0, succeeded: 2 });
});
