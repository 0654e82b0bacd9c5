/** The time of a phase is time at work: what a run lay about after its worker was lost is none. */
import { beforeEach, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { runKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { claimed, newOp, running } from "./testing/make-run.ts";

const redis = useRedis();
let ledger: Ledger;
beforeEach(() => {
  ledger = createLedger(redis.connect(), { retentionMs: 0 });
});

const OUTAGE_MS = 3_600_000;

/** As if all of it had happened an hour earlier, and nobody had been there since. */
async function hourPasses(id: Parameters<typeof runKeys>[0]) {
  const key = runKeys(id).run;
  const [started, updated] = await ledger.redis.hmget(key, "started", "updated");
  await ledger.redis.hset(key, {
    started: Number(started) - OUTAGE_MS,
    updated: Number(updated) - OUTAGE_MS,
  });
}

test("a takeover after an hour without workers finds a phase that has hardly been at work", async () => {
  const { claim } = await running(ledger);
  await hourPasses(claim.runId);
  const next = await claimed(ledger, claim);
  expect(next.takeover).toBe(true);
  expect(next.workedMs).toBeLessThan(60_000);
});

test("so does a claim after the reconciler has queued the run again", async () => {
  const { claim } = await running(ledger);
  await hourPasses(claim.runId);
  const seen = {
    status: "running" as const,
    ticket: claim.ticket,
    epoch: claim.epoch,
    claimId: claim.claimId,
  };
  const reply = await ledger.requeue(claim.runId, newOp(), seen);
  if (reply.kind !== "done" || reply.entry === undefined) throw new Error("not queued");
  const next = await claimed(ledger, reply.entry);
  expect(next.workedMs).toBeLessThan(60_000);
});
