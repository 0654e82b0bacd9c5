/** A ledger with keys: what it writes is sealed, what it reads is as it was, and scripts compare what is sealed. */
import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { watchCommands } from "../../../test/support/redis-contents.ts";
import type { Cipher } from "./cipher.ts";
import { runKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import type { RedisClient } from "./redis-client.ts";
import {
  claimEntry,
  claimed,
  commitOf,
  createQueued,
  draft,
  itemAt,
  newOp,
  running,
  specOf,
} from "./testing/make-run.ts";
import { testCipher } from "./testing/test-cipher.ts";
import { eventsBy, openWatchers, publish } from "./testing/watch-rig.ts";

const redis = useRedis();
let connection: RedisClient;
const ledgerOf = (cipher: Cipher | undefined): Ledger =>
  createLedger(connection, { retentionMs: 60_000, cipher });
let ledger: Ledger;
let rotated: Ledger;
let older: Ledger;
let plain: Ledger;
beforeEach(() => {
  connection = redis.connect({ enableAutoPipelining: true });
  ledger = ledgerOf(testCipher("k1"));
  rotated = ledgerOf(testCipher("k2", "k1"));
  older = ledgerOf(testCipher("k0"));
  plain = ledgerOf(undefined);
});

describe("append", () => {
  test("of the same items by another process is a duplicate, and of others it is refused (R3)", async () => {
    const { claim } = await running(ledger);
    const append = { length: 1, items: [itemAt(1, "one"), itemAt(2, "two")], events: [] };
    expect(await ledger.append(claim, append)).toMatchObject({ kind: "appended" });
    expect(await ledgerOf(testCipher("k1")).append(claim, append)).toMatchObject({ kind: "duplicate" });
    const other = { ...append, items: [itemAt(1, "one"), itemAt(2, "three")] };
    expect(await ledger.append(claim, other)).toEqual({ kind: "fenced", status: "diverged" });
    expect(await ledger.conversation(claim.runId)).toEqual([itemAt(0), ...append.items]);
  });
});

describe("after a change of keys", () => {
  test("a run goes on under the new key, and all of it is read with both", async () => {
    const entry = await createQueued(ledger, { spec: specOf({ instructions: "old" }) });
    const claim = await claimed(rotated, entry);
    expect(claim.spec.instructions).toBe("old");
    await rotated.append(claim.claim, { length: 1, items: [itemAt(1)], events: [] });
    const log = await connection.lrange(runKeys(entry.runId).log, 0, -1);
    expect(log.map((text) => text.split(".")[1])).toEqual(["k1", "k2"]);
    expect(await rotated.conversation(entry.runId)).toEqual([itemAt(0), itemAt(1)]);
  });

  test("the same body under the same key is the same run (R8), and another body is a conflict", async () => {
    const first = draft({ idempotencyKey: "k", spec: specOf({ input: "one" }) });
    await ledger.create(first);
    const again = draft({ idempotencyKey: "k", spec: specOf({ input: "one" }) });
    const exists = { kind: "exists", entry: { runId: first.id } };
    expect(await ledger.create(again)).toMatchObject(exists);
    expect(await rotated.create(again)).toMatchObject(exists);
    const other = draft({ idempotencyKey: "k", spec: specOf({ input: "two" }) });
    expect(await rotated.create(other)).toMatchObject({ kind: "conflict", runId: first.id });
  });
});

describe("a run from before there were keys", () => {
  test("is read and goes on, its new items sealed", async () => {
    const entry = await createQueued(plain, { spec: specOf({ instructions: "old" }) });
    const { claim, spec, items } = await claimed(ledger, entry);
    expect({ instructions: spec.instructions, items }).toEqual({ instructions: "old", items: [itemAt(0)] });
    await ledger.append(claim, { length: 1, items: [itemAt(1)], events: [] });
    expect(await ledger.conversation(entry.runId)).toEqual([itemAt(0), itemAt(1)]);
    const [before, after] = await connection.lrange(runKeys(entry.runId).log, 0, -1);
    expect([before?.[0], after?.[0]]).toEqual(["{", "~"]);
  });

  test("is found again by its idempotency key, with the same body alone (R8)", async () => {
    const first = draft({ idempotencyKey: "k", spec: specOf({ input: "one" }) });
    await plain.create(first);
    const same = draft({ idempotencyKey: "k", spec: specOf({ input: "one" }) });
    const other = draft({ idempotencyKey: "k", spec: specOf({ input: "two" }) });
    expect(await ledger.create(same)).toMatchObject({ kind: "exists", entry: { runId: first.id } });
    expect(await ledger.create(other)).toMatchObject({ kind: "conflict" });
  });
});

test("a body is kept as a keyed digest, by which nobody without the key can guess at it", async () => {
  const hashOf = async (by: Ledger, idempotencyKey: string): Promise<string | undefined> => {
    const { id } = draft();
    await by.create(draft({ id, idempotencyKey }));
    const keys = await connection.keys("{baton}:idem:*");
    const values = await Promise.all(keys.map((key) => connection.get(key)));
    return values.find((value) => value?.startsWith(id))?.split(" ")[1];
  };
  const hashes = [await hashOf(plain, "a"), await hashOf(ledger, "b"), await hashOf(older, "c")];
  expect(hashes).not.toContain(undefined);
  expect(new Set(hashes).size).toBe(3);
});

test("no digest that a body could be guessed by is sent to Redis, either", async () => {
  const body = { idempotencyKey: "k", spec: specOf({ input: "one" }) };
  await plain.create(draft(body));
  const [key = ""] = await connection.keys("{baton}:idem:*");
  const guessed = (await connection.get(key))?.split(" ")[1] ?? "";
  using sent = await watchCommands(redis.url);
  await ledger.create(draft({ ...body, idempotencyKey: "other" }));
  expect(await ledger.create(draft({ ...body, idempotencyKey: "other" }))).toMatchObject({ kind: "exists" });
  await sent.settled();
  expect(guessed).toHaveLength(22);
  const commands = sent.commands.join("\n");
  expect(commands).toContain("~1.k1.");
  expect(commands).not.toContain(guessed);
});

describe("a worker without the key", () => {
  test.each([
    ["without any", () => plain],
    ["with another", () => older],
  ])("(%s) leaves the run to others, and nothing of it is changed", async (_what, own) => {
    const entry = await createQueued(ledger);
    expect(await claimEntry(own(), entry)).toEqual({ kind: "unfit", missing: ["key:k1"] });
    expect((await ledger.read(entry.runId))?.run).toMatchObject({ status: "queued", missing: ["key:k1"] });
    expect(await claimEntry(ledger, entry)).toMatchObject({ kind: "claimed", items: [itemAt(0)] });
  });

  test("fails a run that nobody with the key takes for too long, and says why", async () => {
    const entry = await createQueued(ledger);
    expect(await claimEntry(plain, entry, { unfitGraceMs: 0 })).toEqual({
      kind: "finished",
      why: "config_missing",
    });
    expect((await ledger.read(entry.runId))?.run).toMatchObject({
      status: "failed",
      error: { code: "config_missing", message: expect.stringContaining("key:k1") },
    });
  });

  test.each([
    ["begun under its own key", () => ledger, () => ledger, "key:k1\nkey:k2"],
    ["from before there were keys", () => plain, () => plain, "key:k2"],
    [
      "that needs something else, from before there were keys,",
      () => plain,
      () => plain,
      "server:docs\nkey:k2",
    ],
  ])("leaves a run %s to others once one with a new key went on with it", async (_what, by, own, needs) => {
    const capabilities = new Set(["server:docs"]);
    const more = needs.startsWith("server") ? { needs: ["server:docs"] } : {};
    const entry = await createQueued(by(), more);
    const { claim } = await claimed(rotated, entry, { capabilities });
    const tries = { failures: 0, rateLimits: 0 };
    await rotated.commit(claim, commitOf(1, { kind: "requeue", delayMs: 0, tries }, [itemAt(1)]));
    const next = { ...entry, ticket: 2 };
    expect(await claimEntry(own(), next, { capabilities })).toEqual({ kind: "unfit", missing: ["key:k2"] });
    expect(await connection.get(runKeys(entry.runId).needs)).toBe(needs);
    expect(await claimEntry(rotated, next, { capabilities })).toMatchObject({
      kind: "claimed",
      items: [itemAt(0), itemAt(1)],
    });
    expect(await connection.get(runKeys(entry.runId).needs)).toBe(needs);
  });

  test("is told which one it is, where somebody with a new key said something in the run", async () => {
    const { claim } = await running(ledger);
    await ledger.commit(claim, commitOf(1, { kind: "wait", reason: "approval" }));
    await rotated.resume(claim.runId, newOp(), { length: 1, items: [itemAt(1)] });
    const reply = await claimEntry(ledger, { ...claim, ticket: 3 });
    expect(reply).toMatchObject({ kind: "unreadable", error: { code: "encryption_key_missing" } });
  });

  test("who goes on with a plain run makes it need no key", async () => {
    const entry = await createQueued(plain, { needs: ["server:docs"] });
    await claimed(plain, entry, { capabilities: new Set(["server:docs"]) });
    expect(await connection.get(runKeys(entry.runId).needs)).toBe("server:docs");
  });

  test("reads nothing of it", async () => {
    const { runId } = await createQueued(ledger);
    const missing = expect.objectContaining({ code: "encryption_key_missing" });
    for (const own of [plain, older]) {
      await expect(own.read(runId)).rejects.toThrow(missing);
      await expect(own.conversation(runId)).rejects.toThrow(missing);
      await expect(own.snapshot(runId)).rejects.toThrow(missing);
    }
  });
});

test("what was moved to another run, or to another place of its own, is not taken for what it is not", async () => {
  const [mine, other] = [await createQueued(ledger), await createQueued(ledger)];
  const [from, to] = [runKeys(mine.runId), runKeys(other.runId)];
  const [item = ""] = await connection.lrange(from.log, 0, -1);
  await connection.lset(to.log, 0, item);
  expect(await claimEntry(ledger, other)).toMatchObject({
    kind: "unreadable",
    error: { code: "store_corrupt" },
  });
  await connection.set(from.spec, item);
  await expect(ledger.read(mine.runId)).rejects.toMatchObject({ code: "store_corrupt" });
});

describe("what is said in sentences reads as it was", () => {
  test("of a failed run: in its record and in the event of its end", async () => {
    await using watchers = openWatchers(ledger, redis.connect());
    const now = await running(ledger);
    const { claim } = now;
    await publish(ledger, now, eventsBy(now).phase());
    await ledger.commit(claim, commitOf(1, { kind: "failed", code: "refusal", message: "no, not that" }));
    const error = { code: "refusal", message: "no, not that" };
    expect((await ledger.read(claim.runId))?.run).toMatchObject({ status: "failed", error });
    const events = await watchers.all(claim.runId, "0-0");
    expect(events.at(-1)?.event).toMatchObject({ type: "status", status: "failed", error });
    expect(JSON.stringify(await connection.hgetall(runKeys(claim.runId).run))).not.toContain("not that");
  });

  test("of a waiting run, and of a call that failed", async () => {
    const { claim } = await running(ledger);
    const tries = { failures: 1, rateLimits: 0 };
    const failure = { code: "provider_overloaded", message: "too much" };
    await ledger.commit(claim, commitOf(1, { kind: "requeue", delayMs: 0, tries, failure }));
    expect((await ledger.read(claim.runId))?.run).toMatchObject({ status: "queued", lastFailure: failure });
    const next = await claimed(ledger, { ...claim, ticket: 2 });
    const wait = { kind: "wait", reason: "approval", detail: "a word on send" } as const;
    await ledger.commit(next.claim, commitOf(1, wait));
    expect((await ledger.read(claim.runId))?.run).toMatchObject({ detail: "a word on send" });
    const snapshot = await ledger.snapshot(claim.runId);
    expect(snapshot.event).toMatchObject({ run: { detail: "a word on send" } });
  });
});

test("what a worker shows is watched as it was, beside the events that scripts write", async () => {
  await using watchers = openWatchers(ledger, redis.connect());
  const now = await running(ledger);
  const by = eventsBy(now);
  await publish(ledger, now, by.phase(), by.text("Hel"), by.text("lo"));
  expect((await ledger.snapshot(now.claim.runId)).event).toMatchObject({ partialText: "Hello" });
  await ledger.cancel(now.claim.runId, newOp());
  const events = (await watchers.all(now.claim.runId, "0-0")).map(({ event }) => event.type);
  expect(events).toEqual(["phase", "text", "text", "status"]);
  const stream = await connection.xrange(runKeys(now.claim.runId).events, "-", "+");
  expect(JSON.stringify(stream)).not.toContain("Hel");
});

test("two equal events are not equal in Redis, as two short pieces of a text would tell much", async () => {
  const now = await running(ledger);
  const by = eventsBy(now);
  await publish(ledger, now, by.text("the"));
  await publish(ledger, now, by.text("the"));
  const stream = await connection.xrange(runKeys(now.claim.runId).events, "-", "+");
  const texts = stream.map(([, fields]) => fields[1]).filter((text) => text?.startsWith("~"));
  expect(texts).toHaveLength(2);
  expect(new Set(texts).size).toBe(2);
});
