import { getEventListeners } from "node:events";
import type { StampedEvent } from "@baton/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import type { Claimed } from "./claim-run.ts";
import { runKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { claimed, commitOf, createQueued, draft, itemAt, newOp, running } from "./testing/make-run.ts";
import { eventsBy, openWatchers, publish, take, type Watchers } from "./testing/watch-rig.ts";

const redis = useRedis();
let ledger: Ledger;
let watchers: Watchers;
beforeEach(() => {
  ledger = createLedger(redis.connect(), { retentionMs: 0 });
  watchers = openWatchers(ledger, redis.connect());
});
afterEach(() => watchers[Symbol.asyncDispose]());

const typesOf = (events: readonly StampedEvent[]) => events.map(({ event }) => event.type);
const idsOf = (events: readonly StampedEvent[]) => events.map(({ id }) => id);

/** The first turn of a run, told in entries of one and of several events. */
async function tellFirstTurn(run: Claimed): Promise<void> {
  const told = eventsBy(run);
  await publish(ledger, run, told.phase(), told.text("Hel"), told.text("lo"));
  await publish(ledger, run, told.text("!"));
  const events = [told.text(" Bye."), told.turn(1), told.notice("one turn")];
  await ledger.append(run.claim, { length: 1, items: [itemAt(1)], events });
}

async function endRun(run: Claimed, length = 2): Promise<void> {
  await ledger.commit(run.claim, commitOf(length, { kind: "succeeded" }));
}

const WHOLE_STORY = ["phase", "text", "text", "text", "text", "turn", "notice", "status"];

describe("from 0-0", () => {
  test("every watcher gets every event once, in order, wherever it begins, and ends with the run", async () => {
    const { runId } = await createQueued(ledger);
    const before = watchers.all(runId, "0-0");
    const run = await claimed(ledger, { runId, ticket: 1, pool: draft().pool });
    await tellFirstTurn(run);
    const during = watchers.all(runId, "0-0");
    await endRun(run);
    const stories = [await before, await during, await watchers.all(runId, "0-0")];
    for (const story of stories) expect(typesOf(story)).toEqual(WHOLE_STORY);
    expect(new Set(stories.map((story) => JSON.stringify(story))).size).toBe(1);
    expect(new Set(idsOf(stories[0] ?? [])).size).toBe(WHOLE_STORY.length);
  });

  test("a story longer than one reading is told whole", async () => {
    const run = await running(ledger);
    const told = eventsBy(run);
    await publish(ledger, run, told.phase());
    for (let count = 0; count < 450; count += 1) await publish(ledger, run, told.text(`${count}`));
    await endRun(run, 1);
    const since = performance.now();
    const story = await watchers.all(run.claim.runId, "0-0");
    expect(performance.now() - since, "no wait for a hint between the readings").toBeLessThan(4_000);
    const texts = story.flatMap(({ event }) => (event.type === "text" ? [event.text] : []));
    expect(texts).toEqual(Array.from({ length: 450 }, (_, count) => `${count}`));
  });

  test("a run that nobody has told anything of yet is waited for", async () => {
    const run = await running(ledger);
    const story = watchers.all(run.claim.runId, "0-0");
    await tellFirstTurn(run);
    await endRun(run);
    expect(typesOf(await story)).toEqual(WHOLE_STORY);
  });

  test("a run whose first events are gone begins with a snapshot", async () => {
    const run = await running(ledger);
    await tellFirstTurn(run);
    await ledger.redis.xtrim(runKeys(run.claim.runId).events, "MAXLEN", 2);
    const [first] = await take(watchers.watch(run.claim.runId, "0-0"), 1);
    expect(first?.event).toMatchObject({ type: "snapshot", items: [itemAt(0), itemAt(1)] });
  });

  test("a run that ended so long ago that its stream is gone is told by a snapshot alone", async () => {
    const run = await running(ledger);
    await endRun(run, 1);
    await ledger.redis.del(runKeys(run.claim.runId).events);
    expect(typesOf(await watchers.all(run.claim.runId, "0-0"))).toEqual(["snapshot"]);
    expect(typesOf(await watchers.all(run.claim.runId, "5-0.0"))).toEqual(["snapshot"]);
  });
});

describe("from an event's id", () => {
  test("a watcher goes on without gap or duplicate, from every event of the story", async () => {
    const run = await running(ledger);
    await tellFirstTurn(run);
    await endRun(run);
    const story = await watchers.all(run.claim.runId, "0-0");
    for (const [index, { id }] of story.entries()) {
      expect(await watchers.all(run.claim.runId, id), `after ${id}`).toEqual(story.slice(index + 1));
    }
  });

  test("a watcher goes on while the run does", async () => {
    const run = await running(ledger);
    await tellFirstTurn(run);
    const seen = await take(watchers.watch(run.claim.runId, "0-0"), 3);
    const rest = watchers.all(run.claim.runId, seen.at(-1)?.id);
    await endRun(run);
    expect([...typesOf(seen), ...typesOf(await rest)]).toEqual(WHOLE_STORY);
  });

  test.each(["trimmed", "deleted", "lost with the last writes", "never there", "no id at all"] as const)(
    "when the id is %s, a snapshot comes first, and the watch goes on behind it",
    async (how) => {
      const run = await running(ledger);
      await tellFirstTurn(run);
      const { events } = runKeys(run.claim.runId);
      const story = await take(watchers.watch(run.claim.runId, "0-0"), 7);
      const after = {
        trimmed: story[0]?.id,
        deleted: story[5]?.id,
        "lost with the last writes": story[6]?.id,
        "never there": "99999-0.0",
        "no id at all": "yesterday",
      }[how];
      if (how === "trimmed") await ledger.redis.xtrim(events, "MAXLEN", 1);
      if (how === "deleted") await ledger.redis.del(events);
      if (how === "lost with the last writes") {
        await ledger.redis.xdel(events, story[6]?.id.split(".")[0] ?? "");
      }
      const watch = watchers.watch(run.claim.runId, after);
      const [snapshot] = await take(watch, 1);
      expect(snapshot?.event).toMatchObject({
        type: "snapshot",
        epoch: 2,
        phase: 0,
        run: { status: "running", items: 2 },
        items: [itemAt(0), itemAt(1)],
      });
      await publish(ledger, run, eventsBy(run).text("more"));
      await endRun(run);
      expect(typesOf(await Array.fromAsync(watch))).toEqual(["text", "status"]);
      if (how === "deleted") return;
      // The snapshot's id is a place to go on from, like any other.
      expect(typesOf(await watchers.all(run.claim.runId, snapshot?.id))).toEqual(["text", "status"]);
    },
  );
});

describe("while watching", () => {
  test("a reader that is so slow that its place is trimmed away gets a snapshot, not a gap", async () => {
    const run = await running(ledger);
    const told = eventsBy(run);
    await publish(ledger, run, told.phase());
    const watch = watchers.watch(run.claim.runId, "0-0");
    await take(watch, 1);
    for (const text of ["a", "b", "c"]) await publish(ledger, run, told.text(text));
    await ledger.redis.xtrim(runKeys(run.claim.runId).events, "MAXLEN", 1);
    const [next] = await take(watch, 1);
    expect(next?.event).toMatchObject({ type: "snapshot" });
    await publish(ledger, run, told.text("d"));
    expect((await take(watch, 1))[0]?.event).toMatchObject({ type: "text", text: "d" });
  });

  test("a snapshot says when the stream was trimmed past the beginning of the open text", async () => {
    const run = await running(ledger);
    const told = eventsBy(run);
    const snapshot = async () => {
      const { event } = await ledger.snapshot(run.claim.runId);
      return event.type === "snapshot" ? { text: event.partialText, isCut: event.partialCut } : undefined;
    };
    await publish(ledger, run, told.phase());
    for (const text of ["a", "b", "c"]) await publish(ledger, run, told.text(text));
    expect(await snapshot()).toEqual({ text: "abc", isCut: undefined });
    await ledger.redis.xtrim(runKeys(run.claim.runId).events, "MAXLEN", 2);
    expect(await snapshot()).toEqual({ text: "bc", isCut: true });
    await ledger.append(run.claim, {
      length: 1,
      items: [itemAt(1)],
      events: [told.turn(1), told.text("new")],
    });
    expect(await snapshot()).toEqual({ text: "new", isCut: undefined });
  });

  test("when Redis lost the last events, what it writes then is not taken for their continuation", async () => {
    const run = await running(ledger);
    await tellFirstTurn(run);
    const watch = watchers.watch(run.claim.runId, "0-0");
    const last = (await take(watch, 7)).at(-1);
    await ledger.redis.xdel(runKeys(run.claim.runId).events, last?.id.split(".")[0] ?? "");
    await publish(ledger, run, eventsBy(run).text("after the loss"));
    const [next] = await take(watch, 1);
    expect(next?.event).toMatchObject({ type: "snapshot", partialText: "Hello!after the loss" });
  });

  test("a retry behind the end is watched on, to the next end", async () => {
    const run = await running(ledger);
    await publish(ledger, run, eventsBy(run).phase());
    const { runId } = run.claim;
    await ledger.commit(run.claim, commitOf(1, { kind: "failed", code: "refusal", message: "no" }));
    const watch = watchers.watch(runId, "0-0");
    expect(typesOf(await take(watch, 1))).toEqual(["phase"]);
    await ledger.retry(runId, { op: newOp(), epoch: 3, length: 1, timeoutMs: 0, items: [itemAt(1)] });
    const again = await claimed(ledger, { ...run.claim, ticket: 3 });
    await publish(ledger, again, eventsBy(again).phase(2));
    const rest = Array.fromAsync(watch);
    await endRun(again);
    const statuses = (await rest).flatMap(({ event }) => (event.type === "status" ? [event.status] : []));
    expect(statuses).toEqual(["failed", "queued", "succeeded"]);
  });

  test("an abort ends the watch at once and leaves no subscription", async () => {
    const { runId } = await createQueued(ledger);
    const abort = new AbortController();
    const story = Array.fromAsync(watchers.watch(runId, "0-0", abort.signal));
    const channels = () => ledger.redis.pubsub("CHANNELS");
    await until(async () => (await channels()).length === 1, { what: "the subscription" });
    abort.abort();
    expect(await story).toEqual([]);
    await until(async () => (await channels()).length === 0, { what: "the end of the subscription" });
  });
});

describe("a snapshot", () => {
  test("comes first when no id is given, also of a run that nobody claimed yet", async () => {
    const { runId } = await createQueued(ledger);
    const watch = watchers.watch(runId);
    const [snapshot] = await take(watch, 1);
    expect(snapshot).toMatchObject({ id: "0-0", event: { type: "snapshot", run: { status: "queued" } } });
    const rest = Array.fromAsync(watch);
    await ledger.cancel(runId, newOp());
    expect(typesOf(await rest)).toEqual(["status"]);
  });

  test("of a terminal run is all that there is to tell", async () => {
    const run = await running(ledger);
    await endRun(run, 1);
    const story = await watchers.all(run.claim.runId);
    expect(typesOf(story)).toEqual(["snapshot"]);
    expect(await watchers.all(run.claim.runId, story[0]?.id), "behind it there is nothing").toEqual([]);
  });

  test("holds the text that is coming in: of this epoch, since the last written turn", async () => {
    const run = await running(ledger);
    const partialText = async () => {
      const [snapshot] = await take(watchers.watch(run.claim.runId), 1);
      return snapshot?.event.type === "snapshot" ? snapshot.event.partialText : undefined;
    };
    await publish(ledger, run, eventsBy(run).phase(), eventsBy(run).text("Hel"));
    await publish(ledger, run, eventsBy(run).text("lo"));
    expect(await partialText()).toBe("Hello");
    const events = [eventsBy(run).turn(1)];
    await ledger.append(run.claim, { length: 1, items: [itemAt(1)], events });
    expect(await partialText()).toBe("");
    await publish(ledger, run, eventsBy(run).text("half a"));
    expect(await partialText()).toBe("half a");
    const next = await claimed(ledger, run.claim);
    expect(await partialText(), "a new epoch withdraws the text of the old one").toBe("");
    await publish(ledger, next, eventsBy(next).phase(2, true), eventsBy(next).text("anew"));
    expect(await partialText()).toBe("anew");
  });

  test("of a run that is not there is the error not_found, from whatever id", async () => {
    for (const after of [undefined, "0-0", "1-1.0"]) {
      await expect(watchers.all(draft().id, after)).rejects.toMatchObject({ code: "not_found" });
    }
  });
});

test("an event whose hint was lost is told all the same, within a few seconds", async () => {
  const run = await running(ledger);
  const told = eventsBy(run);
  await publish(ledger, run, told.phase());
  const watch = watchers.watch(run.claim.runId, "0-0");
  await take(watch, 1);
  const next = take(watch, 1);
  // Written without a hint; no other follows.
  const text = JSON.stringify([told.text("silent")]);
  await ledger.redis.xadd(runKeys(run.claim.runId).events, "*", "e", text);
  expect((await next)[0]?.event).toMatchObject({ type: "text", text: "silent" });
});

test("many watchers of many runs share one connection, and each gets its own run's events", async () => {
  const runs = await Promise.all(Array.from({ length: 20 }, () => running(ledger)));
  for (const run of runs)
    await publish(ledger, run, eventsBy(run).phase(), eventsBy(run).text(run.claim.runId));
  const connections = async () =>
    Number(/connected_clients:(\d+)/.exec(await ledger.redis.info("clients"))?.[1]);
  const before = await connections();
  const stories = runs.flatMap(({ claim }) =>
    [claim.runId, claim.runId].map((id) => watchers.all(id, "0-0")),
  );
  await until(async () => (await ledger.redis.pubsub("CHANNELS")).length === runs.length, {
    what: "all subscriptions",
  });
  expect(await connections()).toBe(before);
  for (const run of runs) await endRun(run, 1);
  for (const [index, story] of (await Promise.all(stories)).entries()) {
    const own = runs[Math.floor(index / 2)]?.claim.runId;
    expect(story.flatMap(({ event }) => (event.type === "text" ? [event.text] : []))).toEqual([own]);
  }
  await until(async () => (await ledger.redis.pubsub("CHANNELS")).length === 0, { what: "their ends" });
});

test("watchers go on after their connection broke", async () => {
  const run = await running(ledger);
  const told = eventsBy(run);
  await publish(ledger, run, told.phase());
  const watch = watchers.watch(run.claim.runId, "0-0");
  await take(watch, 1);
  const rest = Array.fromAsync(watch);
  expect(await ledger.redis.call("CLIENT", "KILL", "TYPE", "pubsub")).toBe(1);
  await publish(ledger, run, told.text("said meanwhile"));
  await until(async () => (await ledger.redis.pubsub("CHANNELS")).length === 1, { what: "the subscription" });
  await endRun(run, 1);
  expect(typesOf(await rest)).toEqual(["text", "status"]);
});

test("a watch of many events leaves no listeners behind on the signal of its caller", async () => {
  const run = await running(ledger);
  const abort = new AbortController();
  const subscription = await watchers.hub.subscribe(run.claim.runId);
  for (let count = 0; count < 20; count += 1) {
    const waiting = subscription.wait(abort.signal);
    await publish(ledger, run, eventsBy(run).text("x"));
    await waiting;
  }
  expect(getEventListeners(abort.signal, "abort")).toHaveLength(0);
  await subscription[Symbol.asyncDispose]();
});

test("a hint that comes between two waits is not lost", async () => {
  const run = await running(ledger);
  const subscription = await watchers.hub.subscribe(run.claim.runId);
  const other = redis.connect();
  await publish(ledger, run, eventsBy(run).text("x"));
  // Subscribers get their messages in order: when this one is there, the hint is too.
  const pools = await watchers.hub.subscribePools();
  await other.publish("{baton}:pools", "sim/new");
  await pools.wait(AbortSignal.timeout(2_000));
  const since = performance.now();
  await subscription.wait(AbortSignal.timeout(2_000));
  expect(performance.now() - since).toBeLessThan(1_000);
});
