import { describe, expect, test } from "vitest";
import { digestOf } from "./check-digest.ts";
import { checkHistory, measure } from "./checker.ts";
import type { Fault, History } from "./history.ts";
import { BREACHES } from "./planted-breaches.ts";
import {
  copied,
  delayed,
  eventOf,
  eventsOf,
  found,
  momentAtWork,
  placeOf,
  runOf,
  seenLonger,
  spliceItems,
  withRun,
} from "./planted-edits.ts";
import { CLAUDE, call, cleanHistory, GPT, result } from "./planted-history.ts";

describe("the checker", () => {
  test("finds nothing wrong where all is well", () => {
    expect(checkHistory(cleanHistory())).toEqual([]);
  });

  test.each(BREACHES)("$invariant: $what", ({ invariant, plant }) => {
    expect(invariantsOf(plant(cleanHistory()))).toEqual(new Set([invariant]));
  });

  test("every invariant is broken by a planted breach", () => {
    const all = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => `R${number}`);
    expect(new Set(BREACHES.map(({ invariant }) => invariant))).toEqual(
      new Set([...all, "conversation", "lost"]),
    );
  });

  test("takes an event that was read twice for one", () => {
    const { events, ...history } = cleanHistory();
    expect(checkHistory({ ...history, events: [...events, ...events] })).toEqual([]);
  });

  test("does not say a secret again", () => {
    const leaks = BREACHES.filter(({ invariant }) => invariant === "R9");
    for (const { plant } of leaks) {
      const history = plant(cleanHistory());
      expect(JSON.stringify(checkHistory(history))).not.toContain(history.secrets[0]);
    }
  });
});

describe("a loss of writes", () => {
  function lossAround(at: number): Fault {
    const fault = { kind: "aof_truncated", target: "redis", inFlight: 0, held: ["first"], losesWrites: true };
    return { ...fault, at: at + 50, endedAt: at + 500, survivedUntil: at - 50 };
  }

  test("forgives what was seen of the end that was lost", () => {
    const history = seenLonger(cleanHistory(), "first", cleanHistory().endedAt - 1_000);
    const { faults, endedAt } = history;
    expect(checkHistory({ ...history, faults: [...faults, lossAround(endedAt - 1_000)] })).toEqual([]);
  });

  test("says nothing of a move that may have been in its last millisecond", () => {
    const history = cleanHistory();
    const queued = found(
      eventsOf(history, "second").find(({ event }) => event.type === "status" && event.status === "queued"),
    );
    const loss = { ...lossAround(queued.at), at: queued.at, endedAt: queued.at, survivedUntil: queued.at };
    expect(checkHistory({ ...history, faults: [...history.faults, loss] })).toEqual([]);
  });

  test("forgives a run that was accepted in it", () => {
    const history = cleanHistory();
    const { at } = found(history.submissions.findLast(({ mark }) => mark === "second"));
    const runs = history.runs.filter(({ mark }) => mark === "first");
    expect(checkHistory({ ...history, runs }).map(({ invariant }) => invariant)).toEqual(["lost"]);
    expect(checkHistory({ ...history, runs, faults: [...history.faults, lossAround(at)] })).toEqual([]);
  });

  test("forgives nothing that was seen before", () => {
    const history = seenLonger(cleanHistory(), "first", cleanHistory().endedAt - 2_000);
    const { faults, endedAt } = history;
    const violations = checkHistory({ ...history, faults: [...faults, lossAround(endedAt - 1_000)] });
    expect(violations.map(({ invariant }) => invariant)).toEqual(["R3"]);
  });
});

describe("a run that stands still", () => {
  const at = (mark: string) => momentAtWork(cleanHistory(), mark);

  test("is not stranded when it waits in a long line", () => {
    const { at: accepted } = found(cleanHistory().submissions.findLast(({ mark }) => mark === "second"));
    expect(checkHistory(delayed(cleanHistory(), "second", accepted, 100_000))).toEqual([]);
  });

  test("is not stranded while what holds it is broken, and for the bound after it", () => {
    const history = delayed(cleanHistory(), "first", at("first"), 100_000);
    const kind = { kind: "network_blackhole", target: "worker 1", inFlight: 0, held: ["first"] };
    const broken = (endedAt: number) => [...history.faults, { ...kind, at: at("first"), endedAt }];
    expect(checkHistory({ ...history, faults: broken(at("first") + 75_000) })).toEqual([]);
    const violations = checkHistory({ ...history, faults: broken(at("first") + 65_000) });
    expect(violations.map(({ invariant }) => invariant)).toEqual(["R4"]);
  });

  test("is not excused by what hit others", () => {
    const history = delayed(cleanHistory(), "first", at("first"), 100_000);
    const fault = { kind: "worker_frozen", target: "worker 2", inFlight: 0, held: ["second"] };
    const faults = [...history.faults, { ...fault, at: at("first"), endedAt: at("first") + 99_000 }];
    expect(checkHistory({ ...history, faults }).map(({ invariant }) => invariant)).toEqual(["R4"]);
  });
});

describe("a queued run that is still there at the end", () => {
  /** A third run was submitted with the second, and its pool did nothing for it. */
  function leftBehind(): History {
    const history = copied(cleanHistory(), "second", "third");
    const { run } = runOf(history, "third");
    const { at } = found(history.submissions.findLast(({ mark }) => mark === "third"));
    const phase = { ...found(run.phases[0]), status: "queued" as const, attempts: 0, turns: 0 };
    const untouched = { epoch: 1, ticket: 1, items: 1, turns: 0, updatedAt: at, phases: [phase] };
    return {
      ...withRun(history, "third", (ended) => ({
        ...ended,
        run: { ...run, ...untouched, status: "queued" },
        items: ended.items.slice(0, 1),
      })),
      samples: history.samples.filter(({ runId }) => runId !== run.id),
      events: history.events.filter(({ runId }) => runId !== run.id),
      purchases: history.purchases.filter(({ mark }) => mark !== "third"),
      endedAt: history.endedAt + 100_000,
    };
  }

  test("is stranded when its pool stands still", () => {
    expect(invariantsOf(leftBehind())).toEqual(new Set(["lost", "R4"]));
  });

  test("is not when its pool still works off those that came before", () => {
    const history = leftBehind();
    const { at } = found(history.submissions.findLast(({ mark }) => mark === "first"));
    const busy = delayed(history, "first", at, 100_000);
    expect(invariantsOf({ ...busy, endedAt: history.endedAt })).toEqual(new Set(["lost"]));
  });

  test("is stranded though it is given entry after entry", () => {
    const history = leftBehind();
    const { run } = runOf(history, "third");
    const { at } = found(history.submissions.findLast(({ mark }) => mark === "third"));
    const moves = [1, 2, 3, 4, 5, 6, 7].map((count) => ({
      at: at + count * 20_000,
      fence: { runId: run.id, epoch: count + 1, ticket: count + 1 },
    }));
    const events = moves.map(({ at: time, fence: { runId, epoch } }) => ({
      runId,
      id: `${time}-0.0`,
      event: { type: "status", status: "queued", model: GPT, epoch, phase: 0 },
    }));
    const digests = runOf(history, "third").items.map(digestOf);
    const samples = moves.map(({ at: time, fence }) => ({ ...fence, at: time, status: "queued", digests }));
    const requeued = withRun(history, "third", (left) => ({
      ...left,
      run: { ...left.run, epoch: 8, ticket: 8, updatedAt: at + 140_000 },
    }));
    const told = { events: [...history.events, ...events], samples: [...history.samples, ...samples] };
    expect(invariantsOf({ ...requeued, ...told })).toEqual(new Set(["lost", "R4"]));
  });
});

describe("calls that a retry leaves behind", () => {
  /** The reply that failed had asked for something, as one does that hands off once too often. */
  function asked(): History {
    return spliceItems(cleanHistory(), "second", 1, (item) => [
      { ...item, parts: [...item.parts, call("look", "open")] },
    ]);
  }

  test("need no result", () => {
    expect(checkHistory(asked())).toEqual([]);
  });

  test("may be closed by the one who retried", () => {
    const history = asked();
    const close = (count: number) =>
      spliceItems(history, "second", placeOf(history, "second", "record"), (item) => [
        item,
        ...Array.from({ length: count }, (_, index) => ({
          ...item,
          at: item.at + index,
          ...result("look", "open"),
        })),
      ]);
    expect(checkHistory(close(1))).toEqual([]);
    expect(invariantsOf(close(2))).toEqual(new Set(["conversation"]));
  });
});

describe("a run that waits at the end", () => {
  function paused(...did: readonly ("pause" | "resume")[]): History {
    const history = cleanHistory();
    const { run } = runOf(history, "second");
    const waits = { ...run, status: "waiting" as const, reason: "paused" as const, epoch: run.epoch };
    return {
      ...withRun(history, "second", (ended) => ({ ...ended, run: waits })),
      samples: history.samples.filter(({ runId }) => runId !== run.id),
      events: history.events.map((seen) => {
        const event = eventOf(seen);
        if (seen.runId !== run.id || event.epoch !== run.epoch || event.type !== "status") return seen;
        return { ...seen, event: { ...event, status: "waiting", reason: "paused" } };
      }),
      acts: [
        ...(history.acts ?? []),
        ...did.map((one, index) => ({ at: history.startedAt + index, mark: "second", did: one })),
      ],
    };
  }

  test("is not lost when somebody paused it", () => {
    expect(checkHistory(paused("pause", "resume", "pause"))).toEqual([]);
  });

  test("is lost when it was told to go on", () => {
    expect(checkHistory(paused("pause", "resume")).map(({ invariant }) => invariant)).toEqual(["lost"]);
  });
});

describe("a handoff that passes on its brief alone", () => {
  /** The next model sees none of the replies before, so the place of a purchase is not plain. */
  function briefed(): History {
    const history = cleanHistory();
    const place = placeOf(history, "first", "handoff");
    const brief = spliceItems(history, "first", place, (item) => [
      {
        ...item,
        parts: item.parts.map((part) =>
          part.type === "handoff" ? { ...part, context: "brief" as const } : part,
        ),
      },
    ]);
    const purchases = brief.purchases.map((one) =>
      one.mark === "first" && one.replies === 2 ? { ...one, replies: 0 } : one,
    );
    return { ...brief, purchases };
  }

  test("is no purchase of the first reply again", () => {
    expect(checkHistory(briefed())).toEqual([]);
  });

  test("leaves open whether the next reply was bought, until it is written", () => {
    const history = briefed();
    const { items } = runOf(history, "first");
    const unwritten = spliceItems(history, "first", items.length - 1, () => []);
    expect(measure(unwritten).boughtAgain).toBe(0);
  });

  test("to the same model leaves no doubt to a run in which each place was bought once", () => {
    const text = JSON.stringify(briefed()).replaceAll(CLAUDE, GPT);
    const same: History = JSON.parse(text.replaceAll("anthropic-messages", "openai-responses"));
    expect(checkHistory(same)).toEqual([]);
  });

  test.each([GPT, CLAUDE])("hides no purchase of a place that %s had before", (model) => {
    const history = briefed();
    for (const bought of history.purchases.filter((one) => one.mark === "first" && one.model === model)) {
      const { soldAt: _soldAt, ...again } = { ...bought, at: history.endedAt, nonce: "again" };
      const purchases = [...history.purchases, again];
      expect(invariantsOf({ ...history, purchases })).toEqual(new Set(["R5"]));
    }
  });

  test("hides no purchase that a place of the next model could have been", () => {
    const history = briefed();
    const [bought, ...later] = history.purchases.filter((one) => one.mark === "first");
    const { soldAt: _soldAt, ...again } = { ...found(bought), at: found(later.at(-1)).at, nonce: "again" };
    expect(invariantsOf({ ...history, purchases: [...history.purchases, again] })).toEqual(new Set(["R5"]));
  });
});

describe("a worker that comes back", () => {
  /** It was frozen before it could ask for the first reply, which another wrote, and asks `ms` after it woke. */
  function asksLate(
    ms: number,
    { kind = "worker_frozen", lastedMs = 6_000, held = "second", tooLateMs = -1 } = {},
  ): History {
    const history = cleanHistory();
    const { at } = found(eventsOf(history, "second").find(({ event }) => event.type === "turn"));
    const from = at + tooLateMs;
    const endedAt = from + lastedMs;
    const fault = { kind, target: "worker 2", inFlight: 0, held: [held], at: from, endedAt };
    const first = found(history.purchases.find(({ mark }) => mark === "second"));
    const late = { ...first, at: endedAt + ms, soldAt: endedAt + ms + 100, nonce: "late" };
    return {
      ...history,
      faults: [...history.faults, fault],
      purchases: [...history.purchases, late],
    };
  }

  test("may send the one request that it was about to send", () => {
    expect(checkHistory(asksLate(500))).toEqual([]);
    expect(measure(asksLate(500))).toMatchObject({ boughtAgain: 0, duplicates: 1 });
  });

  test("is not the one that was killed", () => {
    expect(invariantsOf(asksLate(500, { kind: "worker_killed" }))).toEqual(new Set(["R5"]));
  });

  test("is not one that held other runs", () => {
    expect(invariantsOf(asksLate(500, { held: "first" }))).toEqual(new Set(["R5"]));
  });

  test("knew what was written before it went", () => {
    expect(invariantsOf(asksLate(500, { tooLateMs: 1 }))).toEqual(new Set(["R5"]));
  });

  test("lost nothing when it was away for less than a lock lasts", () => {
    expect(invariantsOf(asksLate(500, { lastedMs: 2_500 }))).toEqual(new Set(["R5"]));
  });

  test("has heard of its fence after a beat", () => {
    expect(new Set(checkHistory(asksLate(5_000)).map(({ invariant }) => invariant))).toEqual(new Set(["R5"]));
    expect(measure(asksLate(5_000))).toMatchObject({ boughtAgain: 1 });
  });
});

describe("the measures", () => {
  test("time a recovery from the fault to the next claim", () => {
    const { recoveries, killRecoveries } = measure(cleanHistory());
    const { faults } = cleanHistory();
    const claim = eventsOf(cleanHistory(), "first").filter(({ event }) => event.type === "phase")[1];
    const ms = found(claim).at - found(faults[0]).at;
    expect(recoveries).toEqual({ count: 1, medianMs: ms, p99Ms: ms });
    expect(killRecoveries).toEqual(recoveries);
  });

  /** The first run while it was at work, hit by something that did not take its claim. */
  function survived(): History {
    const at = momentAtWork(cleanHistory(), "first");
    const fault = { kind: "network_reset", target: "worker 1", inFlight: 0, held: ["first"] };
    return { ...cleanHistory(), faults: [{ ...fault, at, endedAt: at + 1 }] };
  }

  test("take a run whose claim outlived the fault for none that recovered", () => {
    expect(measure(survived()).recoveries).toEqual({ count: 0, medianMs: 0, p99Ms: 0 });
  });

  test("take a cancelled run for none that recovered", () => {
    const { events, ...history } = cleanHistory();
    const { id } = runOf(cleanHistory(), "first").run;
    const killed = found(history.faults[0]);
    const cancel = { type: "status", status: "cancelled", model: GPT, epoch: 3, phase: 0 };
    const before = events.filter((event) => event.runId !== id || Number(event.id.split("-")[0]) < killed.at);
    const cancelled = [...before, { runId: id, id: `${killed.at + 1}-0.0`, event: cancel }];
    expect(measure({ ...history, events: cancelled }).recoveries.count).toBe(0);
    expect(measure({ ...history, events }).recoveries.count).toBe(1);
  });

  test("rank times by their place", () => {
    const { faults, ...history } = cleanHistory();
    const killed = found(faults[0]);
    const many = Array.from({ length: 100 }, (_, index) => ({ ...killed, at: killed.at + index }));
    const { recoveries } = measure({ ...history, faults: many });
    const ms = measure(cleanHistory()).recoveries.medianMs;
    expect(recoveries).toEqual({ count: 100, medianMs: ms - 50, p99Ms: ms - 1 });
  });
});

function invariantsOf(history: History): Set<string> {
  return new Set(checkHistory(history).map(({ invariant }) => invariant));
}
