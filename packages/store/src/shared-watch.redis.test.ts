import type { RunId, StampedEvent } from "@baton/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import { EventHub } from "./event-hub.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import type { RedisClient } from "./redis-client.ts";
import { commitOf, running } from "./testing/make-run.ts";
import { eventsBy, publish, take } from "./testing/watch-rig.ts";
import { watchRun } from "./watch-run.ts";

const redis = useRedis();
let ledger: Ledger;
let hub: EventHub;
beforeEach(() => {
  ledger = createLedger(redis.connect(), { retentionMs: 0 });
  hub = new EventHub(redis.connect());
});
afterEach(() => hub.close());

/** Less than it takes to look without a hint. */
const SOON_MS = 3_000;

interface Reads {
  count: number;
  /** Holds back each reply that comes, until it is released. */
  hold: Promise<void> | undefined;
}

/** A ledger whose reads of streams are counted and can be held back. */
function observed(reads: Reads): Ledger {
  const client = new Proxy(ledger.redis, {
    get(target: RedisClient, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "xrange") return value.bind(target);
      return async (...args: unknown[]) => {
        reads.count += 1;
        const reply: unknown = await value.apply(target, args);
        await reads.hold;
        return reply;
      };
    },
  });
  return { ...ledger, redis: client };
}

function watch(source: Ledger, id: RunId, after: string): AsyncGenerator<StampedEvent, void, void> {
  return watchRun(source, hub, id, { after }, AbortSignal.timeout(15_000));
}

test("watchers that have come equally far read together", async () => {
  const run = await running(ledger);
  const told = eventsBy(run);
  await publish(ledger, run, told.phase());
  const reads: Reads = { count: 0, hold: undefined };
  const source = observed(reads);
  const watches = Array.from({ length: 50 }, () => watch(source, run.claim.runId, "0-0"));
  const firsts = await Promise.all(watches.map((one) => take(one, 1)));
  const first = firsts[0]?.[0]?.id ?? "";
  reads.count = 0;
  const texts = Array.from({ length: 20 }, (_, place) => `${place}`);
  for (const text of texts) {
    const next = watches.map((one) => take(one, 1));
    await publish(ledger, run, told.text(text));
    for (const [stamped] of await Promise.all(next)) expect(stamped?.event).toMatchObject({ text });
  }
  expect(reads.count, "of one watcher alone it would be 20").toBeLessThan(100);
  const rest = watches.map((one) => Array.fromAsync(one));
  await ledger.commit(run.claim, commitOf(1, { kind: "succeeded" }));
  for (const events of await Promise.all(rest)) expect(events).toHaveLength(1);
  const whole = await Array.fromAsync(watch(ledger, run.claim.runId, first));
  expect(whole).toHaveLength(texts.length + 1);
});

test("a watcher that was hinted at more than a read under way can know reads for itself", async () => {
  const run = await running(ledger);
  const told = eventsBy(run);
  await publish(ledger, run, told.phase());
  const { runId } = run.claim;
  const opening = watch(ledger, runId, "0-0");
  const [first] = await take(opening, 1);
  await opening.return();
  const reads: Reads = { count: 0, hold: undefined };
  const source = observed(reads);
  const early = watch(source, runId, first?.id ?? "");
  const earlyNext = take(early, 1);
  await until(() => reads.count > 0 && hub.waiters === 1, { what: "a watcher that has read all there is" });
  const { promise, resolve } = Promise.withResolvers<void>();
  reads.hold = promise;
  const before = reads.count;
  await publish(ledger, run, told.text("one"));
  await until(() => reads.count > before, { what: "the read behind the first hint" });
  // Its reply is there, and on its way; now there is more.
  const hinted = await hub.subscribe(runId);
  await publish(ledger, run, told.text("two"));
  await hinted.wait(AbortSignal.timeout(SOON_MS));
  await hinted[Symbol.asyncDispose]();
  const since = performance.now();
  // From the very place where the other one reads: behind the whole entry.
  const late = take(watch(source, runId, first?.id.split(".")[0] ?? ""), 2);
  await until(() => reads.count > before + 1, { what: "a read of the second watcher's own" });
  resolve();
  reads.hold = undefined;
  const texts = (await late).map(({ event }) => (event.type === "text" ? event.text : ""));
  expect(texts).toEqual(["one", "two"]);
  expect(performance.now() - since).toBeLessThan(SOON_MS);
  await earlyNext;
});
