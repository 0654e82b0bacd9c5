import { type Item, NO_USAGE } from "@baton/core";
import { beforeEach, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import type { Claim } from "./claim-run.ts";
import { runKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import type { RedisClient } from "./redis-client.ts";
import { dumpRedis } from "./testing/dump-redis.ts";
import { commitOf, itemAt, running } from "./testing/make-run.ts";

const redis = useRedis();
let ledger: Ledger;
beforeEach(() => {
  ledger = createLedger(redis.connect(), { retentionMs: 0 });
});

const append = (claim: Claim, length: number, items: readonly Item[]) =>
  ledger.append(claim, { length, items, events: [] });

test("items that are in the log already are a duplicate, even when more came behind them (R3)", async () => {
  const { claim } = await running(ledger);
  await append(claim, 1, [itemAt(1), itemAt(2)]);
  await append(claim, 3, [itemAt(3)]);
  const before = await dumpRedis(ledger.redis);
  expect(await append(claim, 1, [itemAt(1), itemAt(2)])).toMatchObject({ kind: "duplicate", length: 3 });
  expect(await append(claim, 2, [itemAt(2)])).toMatchObject({ kind: "duplicate", length: 3 });
  expect(await dumpRedis(ledger.redis)).toEqual(before);
});

test("what continues another log than the one that is there is refused as fenced (R3)", async () => {
  const { claim } = await running(ledger);
  await append(claim, 1, [itemAt(1)]);
  const before = await dumpRedis(ledger.redis);
  const diverged = { kind: "fenced", status: "diverged" };
  expect(await append(claim, 1, [itemAt(1, "another text")]), "another item in the place").toEqual(diverged);
  expect(await append(claim, 1, [itemAt(1), itemAt(2)]), "more than what is there").toEqual(diverged);
  expect(await append(claim, 3, [itemAt(3)]), "behind the end").toEqual(diverged);
  expect(await ledger.commit(claim, commitOf(1, { kind: "succeeded" }))).toEqual(diverged);
  expect(await ledger.commit(claim, commitOf(3, { kind: "succeeded" }))).toEqual(diverged);
  expect(await dumpRedis(ledger.redis)).toEqual(before);
});

test("an append of events alone changes no conversation", async () => {
  const { claim } = await running(ledger);
  const event = { type: "notice" as const, epoch: 2, phase: 0, code: "c", message: "m" };
  const reply = await ledger.append(claim, { length: 1, items: [], events: [event] });
  expect(reply).toEqual({ kind: "appended", length: 1, pausing: false });
  const events = await ledger.redis.xrange(runKeys(claim.runId).events, "-", "+");
  expect(JSON.parse(events.at(-1)?.[1][1] ?? "null")).toEqual([event]);
});

test("a turn costs the same commands and bytes after 1,000 items as after 2 (R3)", async () => {
  const { claim } = await running(ledger);
  // The first call of a script may have to send its text.
  await append(claim, 1, [itemAt(1)]);
  const early = await costOf(ledger.redis, () => append(claim, 2, [itemAt(2, "x".repeat(1_000))]));
  for (let from = 3; from < 1_000; from += 100) {
    const length = Math.min(100, 1_000 - from);
    const items = Array.from({ length }, (_, index) => itemAt(from + index, "x".repeat(1_000)));
    await append(claim, from, items);
  }
  const late = await costOf(ledger.redis, () => append(claim, 1_000, [itemAt(1_000, "x".repeat(1_000))]));
  expect(late.commands).toEqual(early.commands);
  expect(late.bytesIn).toBeLessThan(early.bytesIn * 1.02);
  // The reply names the length, which has more digits now.
  expect(late.bytesOut).toBeLessThan(early.bytesOut + 10);
  expect(late.bytesToDisk).toBeLessThan(early.bytesToDisk * 1.02);
});

/** What Redis counted while `write` went on: calls by command, scripts' own calls included, and bytes. */
async function costOf(connection: RedisClient, write: () => Promise<{ kind: string }>) {
  const before = await infoOf(connection);
  await connection.config("RESETSTAT");
  const { kind } = await write();
  const after = await infoOf(connection);
  expect(kind).toBe("appended");
  const calls = [...after].flatMap(([name, value]) => {
    const command = /^cmdstat_(.+)$/.exec(name)?.[1];
    return command === undefined || command.startsWith("config")
      ? []
      : [[command, /calls=(\d+)/.exec(value)?.[1]]];
  });
  const grown = (name: string) => Number(after.get(name)) - Number(before.get(name));
  return {
    commands: Object.fromEntries(calls),
    bytesIn: Number(after.get("total_net_input_bytes")),
    bytesOut: Number(after.get("total_net_output_bytes")),
    bytesToDisk: grown("aof_current_size"),
  };
}

async function infoOf(connection: RedisClient): Promise<ReadonlyMap<string, string>> {
  const lines = (await connection.info("all")).split(/\r?\n/);
  return new Map(
    lines.map((line): [string, string] => [
      line.slice(0, line.indexOf(":")),
      line.slice(line.indexOf(":") + 1),
    ]),
  );
}

test("a reply that is sent again is told what is left of the batch's budget, as the first time", async () => {
  await ledger.setBatchBudget("b", { tokens: 5, usd: 9 });
  const { claim } = await running(ledger, { batch: { id: "b", customId: "c" } });
  const phaseUsage = { ...NO_USAGE, inputTokens: 5, costUsd: 0 };
  const turn = { phaseUsage, spend: { batch: "b", tokens: 5, costUsd: 0 } };
  const write = () => ledger.append(claim, { length: 1, items: [itemAt(1)], turn, events: [] });
  const batch = { id: "b", spent: true, inUsd: true };
  expect(await write()).toMatchObject({ kind: "appended", batch });
  expect(await write()).toMatchObject({ kind: "duplicate", batch });
});
