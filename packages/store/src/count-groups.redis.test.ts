/** Counts of runs that move meanwhile: a bound is held against them, and a batch is over by them. */
import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import type { RedisClient } from "./redis-client.ts";
import { claimed, commitOf, createQueued, newOp } from "./testing/make-run.ts";

const redis = useRedis();
const RETENTION_MS = 3_600_000;
let ledger: Ledger;
beforeEach(async () => {
  ledger = createLedger(redis.connect(), { retentionMs: RETENTION_MS });
});

/** A ledger whose commands go out one by one, with `act` done in front of the one that has so many before it. */
async function ledgerWith(act: () => Promise<unknown>, before: number): Promise<Ledger> {
  const client: RedisClient = redis.connect();
  // The script is known then, so that one call of it is one command.
  await createLedger(client, { retentionMs: RETENTION_MS }).countLive("none");
  const send = client.sendCommand.bind(client);
  let sent = 0;
  let last: Promise<unknown> = Promise.resolve();
  client.sendCommand = (command, stream) => {
    const isNext = sent++ === before;
    last = last.then(() => (isNext ? act() : undefined)).then(() => send(command, stream));
    return command.promise;
  };
  return createLedger(client, { retentionMs: RETENTION_MS });
}

async function waitingRun() {
  const { claim } = await claimed(
    ledger,
    await createQueued(ledger, { namespace: "acme", batch: { id: "b", customId: "c" } }),
  );
  await ledger.commit(claim, commitOf(1, { kind: "wait", reason: "approval" }));
  return { resume: () => ledger.resume(claim.runId, newOp()) };
}

describe.each([1, 2])("a run that goes on behind %d commands of a count", (before) => {
  test("is one of its namespace's live runs", async () => {
    const { resume } = await waitingRun();
    expect(await (await ledgerWith(resume, before)).countLive("acme")).toBe(1);
  });

  test("is counted once in its namespace", async () => {
    const { resume } = await waitingRun();
    const { live, waiting } = await (await ledgerWith(resume, before)).countSpace("acme");
    expect(live + waiting).toBe(1);
  });

  test("is counted once in its batch, which is not over", async () => {
    const { resume } = await waitingRun();
    const { queued, running, waiting } = await (await ledgerWith(resume, before)).countBatch("b");
    expect(queued + running + waiting).toBe(1);
  });
});
