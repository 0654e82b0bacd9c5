import { modelIdSchema } from "@baton/core";
import { beforeEach, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { shardKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { listPools, listWorkers, readBacklog, removeWorker, WORKER_SILENCE_MS_MAX } from "./registry.ts";
import { ALPHA, BEAT, BETA, commitOf, createQueued, newOp, running } from "./testing/make-run.ts";

const redis = useRedis();
let ledger: Ledger;
beforeEach(() => {
  ledger = createLedger(redis.connect(), { retentionMs: 0 });
});

/** Moves a worker's last beat into the past. */
async function silence(workerId: string, ms: number): Promise<void> {
  const { workers } = shardKeys(0);
  const beat = (await ledger.redis.hget(workers, workerId)) ?? "";
  const json = beat.slice(beat.indexOf(" ") + 1);
  await ledger.redis.hset(workers, workerId, `${Date.now() - ms} ${json}`);
}

test("workers that beat are listed with what they said; those that fell silent are not", async () => {
  await ledger.beat(BEAT, []);
  await ledger.beat({ ...BEAT, workerId: "w2", active: 3 }, []);
  const seenAt = expect.any(Number);
  expect(await listWorkers(ledger.redis)).toEqual(
    expect.arrayContaining([
      { ...BEAT, seenAt },
      { ...BEAT, workerId: "w2", active: 3, seenAt },
    ]),
  );
  await silence("w1", WORKER_SILENCE_MS_MAX + 1_000);
  expect((await listWorkers(ledger.redis)).map(({ workerId }) => workerId)).toEqual(["w2"]);
  await ledger.beat(BEAT, []);
  expect(await listWorkers(ledger.redis)).toHaveLength(2);
});

test("a worker that said goodbye, or was silent for hours, is forgotten", async () => {
  for (const workerId of ["w1", "w2", "w3"]) await ledger.beat({ ...BEAT, workerId }, []);
  await removeWorker(ledger.redis, "w1");
  await silence("w2", 2 * 3_600_000);
  await listWorkers(ledger.redis);
  expect(await ledger.redis.hkeys(shardKeys(0).workers)).toEqual(["w3"]);
});

test("pools are all that a run was ever sent to, and the backlog counts the live runs of each", async () => {
  const colons = modelIdSchema.parse("ollama/qwen3:8b");
  const { claim } = await running(ledger);
  await createQueued(ledger);
  const { runId } = await createQueued(ledger, { pool: colons });
  expect(await listPools(ledger.redis)).toEqual([colons, ALPHA]);
  expect(await readBacklog(ledger.redis)).toEqual(
    new Map([
      [ALPHA, 2],
      [colons, 1],
    ]),
  );
  await ledger.commit(claim, commitOf(1, { kind: "handoff", pool: BETA }));
  await ledger.cancel(runId, newOp());
  expect(await listPools(ledger.redis)).toEqual([colons, ALPHA, BETA]);
  expect(await readBacklog(ledger.redis)).toEqual(
    new Map([
      [ALPHA, 1],
      [BETA, 1],
      [colons, 0],
    ]),
  );
});
