import { newClaimId } from "@baton/core";
import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import type { Claim } from "./claim-run.ts";
import { runKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { dumpRedis } from "./testing/dump-redis.ts";
import {
  BEAT,
  BETA,
  claimed,
  commitOf,
  itemAt,
  newOp,
  running,
  systemIds,
  timePasses,
} from "./testing/make-run.ts";

const redis = useRedis();
let ledger: Ledger;
beforeEach(() => {
  ledger = createLedger(redis.connect(), { retentionMs: 0 });
});

/** Each makes `claim` stale and answers with the stale claim, which is mostly the same. */
const losses: Readonly<Record<string, (claim: Claim) => Promise<Claim>>> = {
  "an older epoch with the claim id of the record": async (claim) => ({ ...claim, epoch: claim.epoch - 1 }),
  "a newer epoch, as before Redis lost its last writes": async (claim) => ({
    ...claim,
    epoch: claim.epoch + 1,
  }),
  "the epoch of the record with another claim id": async (claim) => ({
    ...claim,
    claimId: newClaimId(systemIds),
  }),
  "a takeover": async (claim) => {
    await claimed(ledger, claim);
    return claim;
  },
  "a cancel": async (claim) => {
    await ledger.cancel(claim.runId, newOp());
    return claim;
  },
  "a retry after a cancel": async (claim) => {
    await ledger.cancel(claim.runId, newOp());
    const retry = { op: newOp(), epoch: claim.epoch + 1, length: 1, timeoutMs: 0, items: [] };
    expect(await ledger.retry(claim.runId, retry)).toMatchObject({ kind: "done" });
    return claim;
  },
  "a requeue": async (claim) => {
    await requeue(claim);
    return claim;
  },
  "a requeue and the claim of its entry": async (claim) => {
    await requeue(claim);
    await claimed(ledger, { ...claim, ticket: claim.ticket + 1 });
    return claim;
  },
  "a pause that a requeue honoured, and a resume": async (claim) => {
    await ledger.pause(claim.runId, newOp());
    const seen = { ...claim, status: "running" as const };
    await ledger.requeue(claim.runId, newOp(), seen);
    expect(await ledger.resume(claim.runId, newOp())).toMatchObject({ kind: "done", entry: { ticket: 3 } });
    return claim;
  },
  "a deadline": async (claim) => {
    await timePasses(ledger.redis, claim.runId, "deadline");
    expect(await ledger.expire(claim.runId)).toMatchObject({ kind: "done" });
    return claim;
  },
  "the end of the run's retention": async (claim) => {
    await ledger.redis.del(...Object.values(runKeys(claim.runId)));
    return claim;
  },
};

async function requeue(claim: Claim): Promise<void> {
  const reply = await ledger.requeue(claim.runId, newOp(), { ...claim, status: "running" });
  expect(reply).toMatchObject({ kind: "done", entry: { ticket: claim.ticket + 1 } });
}

describe.each(Object.entries(losses))("after %s, a claim (R2)", (_how, lose) => {
  test("cannot append, commit or publish, hears of it by the next beat, and changes nothing", async () => {
    const { claim: held } = await running(ledger);
    const claim = await lose(held);
    const before = await dumpRedis(ledger.redis);

    const append = { length: 1, items: [itemAt(1)], events: [] };
    expect(await ledger.append(claim, append)).toMatchObject({ kind: "fenced" });
    for (const outcome of [
      { kind: "handoff", pool: BETA },
      { kind: "requeue", delayMs: 0, tries: { failures: 0, rateLimits: 0 } },
      { kind: "succeeded" },
    ] as const) {
      expect(await ledger.commit(claim, commitOf(1, outcome, [itemAt(1)]))).toMatchObject({ kind: "fenced" });
    }
    await ledger.publish([{ claim, events: [{ type: "text", epoch: claim.epoch, phase: 0, text: "late" }] }]);
    expect((await ledger.beat(BEAT, [claim])).lost).toMatchObject([{ claim, kind: "fenced" }]);

    expect(await dumpRedis(ledger.redis)).toEqual(before);
  });
});

describe("after its commit, a claim (R7)", () => {
  test("cannot append or publish, and a repeated commit moves no counter, whatever it says", async () => {
    const { claim } = await running(ledger);
    await ledger.commit(claim, commitOf(1, { kind: "handoff", pool: BETA }));
    const before = await dumpRedis(ledger.redis);

    const append = { length: 1, items: [itemAt(1)], events: [] };
    expect(await ledger.append(claim, append)).toEqual({ kind: "fenced", status: "queued" });
    const again = await ledger.commit(claim, commitOf(1, { kind: "succeeded" }, [itemAt(1)]));
    expect(again).toMatchObject({ kind: "duplicate", status: "queued", entry: { ticket: 2, pool: BETA } });
    await ledger.publish([{ claim, events: [{ type: "text", epoch: claim.epoch, phase: 0, text: "late" }] }]);
    expect((await ledger.beat(BEAT, [claim])).lost).toMatchObject([{ kind: "fenced", status: "queued" }]);

    expect(await dumpRedis(ledger.redis)).toEqual(before);
  });
});

test("a claim outlives a pause that is taken back, and hears of the pause while it lasts", async () => {
  const { claim } = await running(ledger);
  await ledger.pause(claim.runId, newOp());
  expect((await ledger.beat(BEAT, [claim])).lost).toEqual([{ claim, kind: "pausing", status: "running" }]);
  const first = await ledger.append(claim, { length: 1, items: [itemAt(1)], events: [] });
  expect(first).toEqual({ kind: "appended", length: 2, pausing: true });
  await ledger.resume(claim.runId, newOp());
  expect((await ledger.beat(BEAT, [claim])).lost).toEqual([]);
  const second = await ledger.append(claim, { length: 2, items: [itemAt(2)], events: [] });
  expect(second).toEqual({ kind: "appended", length: 3, pausing: false });
});

test("a requeue of what is not exactly as it was seen changes nothing", async () => {
  const { claim } = await running(ledger);
  const seen = { ...claim, status: "running" as const };
  const before = await dumpRedis(ledger.redis);
  for (const other of [
    { status: "queued" as const },
    { ticket: claim.ticket + 1 },
    { epoch: claim.epoch - 1 },
    { claimId: newClaimId(systemIds) },
  ]) {
    const reply = await ledger.requeue(claim.runId, newOp(), { ...seen, ...other });
    expect(reply).toEqual({ kind: "refused", status: "running" });
  }
  expect(await dumpRedis(ledger.redis)).toEqual(before);
});

test("one beat tells lost claims from those that hold, by their place among many", async () => {
  const claims: Claim[] = [];
  for (let count = 0; count < 5; count += 1) claims.push((await running(ledger)).claim);
  const [first, second, , fourth] = claims;
  if (first === undefined || second === undefined || fourth === undefined) throw new Error("five runs");
  await ledger.cancel(second.runId, newOp());
  await ledger.pause(fourth.runId, newOp());
  expect((await ledger.beat(BEAT, claims)).lost).toEqual([
    { claim: second, kind: "fenced", status: "cancelled" },
    { claim: fourth, kind: "pausing", status: "running" },
  ]);
});

test("publish writes the events of claims that hold and drops the others of the same call", async () => {
  const [held, lost] = [await running(ledger), await running(ledger)];
  await ledger.cancel(lost.claim.runId, newOp());
  const text = (claim: Claim) => ({
    claim,
    events: [{ type: "text" as const, epoch: claim.epoch, phase: 0, text: "x" }],
  });
  await ledger.publish([text(lost.claim), text(held.claim), text(lost.claim), text(held.claim)]);
  const typesOf = async (claim: Claim) =>
    (await ledger.redis.xrange(runKeys(claim.runId).events, "-", "+")).flatMap(([, fields]) =>
      JSON.parse(fields[1] ?? "null").map(({ type }: { type: string }) => type),
    );
  expect(await typesOf(held.claim)).toEqual(["text", "text"]);
  expect(await typesOf(lost.claim)).toEqual(["status"]);
});
