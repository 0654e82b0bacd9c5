import type { Item } from "@baton/core";
import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import type { Cipher } from "./cipher.ts";
import { runKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { packLog, unpackLog } from "./log-pack.ts";
import { commitOf, createQueued, itemAt, newOp, running } from "./testing/make-run.ts";
import { CLEAR_AND_ENCRYPTED } from "./testing/test-cipher.ts";

const redis = useRedis();
let ledger: Ledger;
const openLedger = (cipher: Cipher | undefined) => {
  beforeEach(() => {
    ledger = createLedger(redis.connect({ enableAutoPipelining: true }), { retentionMs: 60_000, cipher });
  });
};

/** Long enough to be packed, with what would break a naive codec. */
const LONG = [0, 1, 2, 3].map((seq) => itemAt(seq, `é\n"${seq}"\u2028 ${"word ".repeat(600)}`));

async function ended(outcome: "succeeded" | "failed") {
  const { claim } = await running(ledger, { items: LONG.slice(0, 1) });
  await ledger.append(claim, { length: 1, items: LONG.slice(1, 3), events: [] });
  const end =
    outcome === "succeeded"
      ? ({ kind: outcome } as const)
      : ({ kind: outcome, code: "x", message: "y" } as const);
  const commit = commitOf(3, end, LONG.slice(3));
  expect(await ledger.commit(claim, commit, LONG.slice(0, 3))).toMatchObject({ kind: "committed" });
  // Sent again, it is the same commit (R1).
  expect(await ledger.commit(claim, commit, LONG.slice(0, 3))).toMatchObject({ kind: "duplicate" });
  return claim.runId;
}

describe.each(CLEAR_AND_ENCRYPTED)("a log (%s)", (_how, cipher) => {
  openLedger(cipher);

  test("a long conversation of a run that succeeded takes a fraction of its size, and reads as it was", async () => {
    const id = await ended("succeeded");
    expect(await ledger.redis.llen(runKeys(id).log)).toBe(1);
    expect(await ledger.redis.memory("USAGE", runKeys(id).log)).toBeLessThan(1_000);
    expect(await ledger.conversation(id)).toEqual(LONG);
    expect((await ledger.read(id))?.run).toMatchObject({ status: "succeeded", items: 4 });
    expect(await ledger.snapshot(id)).toMatchObject({ event: { items: LONG } });
  });

  test.each([
    [0, 0],
    [0, 2],
    [1, 2],
    [2, -1],
    [3, 10],
    [4, -1],
  ])("items %i to %i of it are the same as before it was packed", async (from, to) => {
    const id = await ended("succeeded");
    const open = await ended("failed");
    expect(await ledger.conversation(id, from, to)).toEqual(await ledger.conversation(open, from, to));
  });

  test("a part of it ends where no more fits, and has one item at least, packed or not", async () => {
    const items = Array.from({ length: 40 }, (_, seq) => itemAt(seq, "x".repeat(seq % 5 === 0 ? 9_000 : 10)));
    const { runId: many } = await createQueued(ledger, { items });
    const logs = [
      { id: many, expected: items },
      { id: await ended("succeeded"), expected: LONG },
      { id: await ended("failed"), expected: LONG },
    ];
    for (const { id, expected } of logs) {
      for (const bytesMax of [1, 20_000, 10_000_000]) {
        const pages: (readonly Item[])[] = [];
        for (let from = 0; from < expected.length; from += pages.at(-1)?.length ?? 0) {
          pages.push(await ledger.conversation(id, from, expected.length + 5, bytesMax));
        }
        expect(pages.flat()).toEqual(expected);
        expect(pages.every((page) => page.length === 1 || JSON.stringify(page).length < bytesMax)).toBe(true);
        expect(pages.length).toBe(bytesMax === 1 ? expected.length : bytesMax > 1e6 ? 1 : pages.length);
      }
    }
    expect(await ledger.conversation(many, 3, 4, 1e6)).toEqual(items.slice(3, 5));
  });

  test("what may be retried is not packed, and goes on where it was", async () => {
    const id = await ended("failed");
    expect(await ledger.redis.llen(runKeys(id).log)).toBe(4);
    const glance = await ledger.glance(id);
    const retry = { op: newOp(), epoch: glance?.epoch ?? 0, length: 4, timeoutMs: 0, items: [itemAt(4)] };
    expect(await ledger.retry(id, retry)).toMatchObject({ kind: "done" });
    expect(await ledger.conversation(id)).toHaveLength(5);
  });
});

describe("a pack", () => {
  test("is not made of what is short, or of one item alone", () => {
    expect(packLog([itemAt(0), itemAt(1)])).toBeUndefined();
    expect(packLog([itemAt(0, "x".repeat(100_000))])).toBeUndefined();
  });

  test("gives the items back; entries that are none are themselves", () => {
    const pack = packLog(LONG);
    if (pack === undefined) throw new Error("not packed");
    expect(unpackLog([pack]).map((text) => JSON.parse(text))).toEqual(LONG);
    expect(unpackLog([Buffer.from("a"), Buffer.from("b")])).toEqual(["a", "b"]);
    expect(unpackLog([])).toEqual([]);
  });
});
