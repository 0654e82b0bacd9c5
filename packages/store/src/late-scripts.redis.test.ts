/** Scripts that arrive once more, long after: their run has moved on meanwhile. */
import { newClaimId } from "@baton/core";
import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { dumpRedis } from "./testing/dump-redis.ts";
import {
  BETA,
  claimed,
  commitOf,
  createQueued,
  draft,
  itemAt,
  newOp,
  running,
  systemIds,
} from "./testing/make-run.ts";
import { CLEAR_AND_ENCRYPTED } from "./testing/test-cipher.ts";

const redis = useRedis();

describe.each(CLEAR_AND_ENCRYPTED)(
  "a script that arrives again after the run moved on changes nothing (R1; %s)",
  (_how, cipher) => {
    let ledger: Ledger;
    beforeEach(() => {
      ledger = createLedger(redis.connect(), { retentionMs: 0, cipher });
    });

    /** Sends it, moves the run on, and sends it again. */
    async function expectNoEffectAfter(send: () => Promise<unknown>, moveOn: () => Promise<unknown>) {
      await send();
      await moveOn();
      const before = await dumpRedis(ledger.redis);
      const reply = await send();
      expect(await dumpRedis(ledger.redis)).toEqual(before);
      return reply;
    }

    test("create after the run ended", async () => {
      const run = draft({ idempotencyKey: "k" });
      await expectNoEffectAfter(
        () => ledger.create(run),
        () => ledger.cancel(run.id, newOp()),
      );
    });

    test("claim after the commit of the same claim", async () => {
      const entry = await createQueued(ledger);
      const options = {
        entry,
        claimId: newClaimId(systemIds),
        capabilities: new Set<string>(),
        unfitGraceMs: 0,
        takeoversMax: 5,
      };
      const reply = await expectNoEffectAfter(
        () => ledger.claim(options),
        () =>
          ledger.commit(
            { ...entry, epoch: 2, claimId: options.claimId },
            commitOf(1, { kind: "requeue", delayMs: 0, tries: { failures: 0, rateLimits: 0 } }),
          ),
      );
      expect(reply).toEqual({ kind: "finished", why: "behind" });
    });

    test("commit after the next worker has claimed and written", async () => {
      const { claim } = await running(ledger);
      const reply = await expectNoEffectAfter(
        () => ledger.commit(claim, commitOf(1, { kind: "handoff", pool: BETA })),
        async () => {
          const next = await claimed(ledger, { ...claim, ticket: 2, pool: BETA });
          await ledger.append(next.claim, { length: 1, items: [itemAt(1)], events: [] });
        },
      );
      expect(reply).toMatchObject({ kind: "duplicate", status: "running" });
    });

    test("cancel after a retry", async () => {
      const { runId } = await createQueued(ledger);
      const op = newOp();
      const reply = await expectNoEffectAfter(
        () => ledger.cancel(runId, op),
        () => ledger.retry(runId, { op: newOp(), epoch: 2, length: 1, timeoutMs: 0, items: [] }),
      );
      expect(reply).toMatchObject({ kind: "done", did: "duplicate" });
    });

    test("retry after the run was cancelled again", async () => {
      const { runId } = await createQueued(ledger);
      await ledger.cancel(runId, newOp());
      const retry = { op: newOp(), epoch: 2, length: 1, timeoutMs: 0, items: [itemAt(1)] };
      const reply = await expectNoEffectAfter(
        () => ledger.retry(runId, retry),
        () => ledger.cancel(runId, newOp()),
      );
      expect(reply).toMatchObject({ kind: "done", did: "duplicate" });
    });

    test("pause after a resume, and resume after another pause", async () => {
      const { runId } = await createQueued(ledger);
      const [pause, resume] = [newOp(), newOp()];
      await expectNoEffectAfter(
        () => ledger.pause(runId, pause),
        () => ledger.resume(runId, resume),
      );
      await expectNoEffectAfter(
        () => ledger.resume(runId, resume),
        () => ledger.pause(runId, newOp()),
      );
    });

    test("requeue after the new entry was claimed", async () => {
      const entry = await createQueued(ledger);
      const op = newOp();
      await expectNoEffectAfter(
        () => ledger.requeue(entry.runId, op, { status: "queued", ticket: 1, epoch: 1, claimId: "" }),
        () => claimed(ledger, { ...entry, ticket: 2 }),
      );
    });
  },
);
