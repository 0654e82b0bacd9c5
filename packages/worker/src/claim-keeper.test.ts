import { newClaimId, newRunId, shardOf } from "@baton/core";
import type { BeatReply, Claim, LostClaim, WorkerBeat } from "@baton/store";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ClaimAborted, ClaimKeeper, type ExtendLocks } from "./claim-keeper.ts";
import { gpt } from "./testing/log.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

let count = 0;
function claimOf(shard = 0): Claim {
  count += 1;
  const source = { now: () => count, random: (size: number) => new Uint8Array(size).fill(count) };
  return { runId: newRunId(shard, source), pool: gpt, ticket: 1, epoch: count, claimId: newClaimId(source) };
}

const BEAT: WorkerBeat = {
  ...{ workerId: "w", host: "h", pid: 1, version: "0", patterns: [], pools: [], concurrency: 1, active: 0 },
  ...{ activeByPool: {}, caps: {}, refused: [], endedByPool: {}, failingByPool: {} },
};

type Reply = readonly LostClaim[] | Error;

/** A keeper over a ledger that replies what the test gives it; without a reply, a beat waits. */
function open(...replies: Reply[]) {
  const beats: (readonly Claim[])[] = [];
  const waiting: PromiseWithResolvers<BeatReply>[] = [];
  const errors: unknown[] = [];
  const holds: BeatReply["holds"][] = [];
  const ledger = {
    async beat(beat: WorkerBeat | undefined, claims: readonly Claim[]) {
      if (claims.every(({ runId }) => shardOf(runId) === 0)) expect(beat).toBe(BEAT);
      beats.push(claims);
      const reply = replies.shift();
      if (reply instanceof Error) throw reply;
      if (reply !== undefined) return { lost: reply, holds: new Map() };
      const wait = Promise.withResolvers<BeatReply>();
      waiting.push(wait);
      return wait.promise;
    },
  };
  const keeper = new ClaimKeeper({
    ledger,
    describe: () => BEAT,
    lockMs: 4_000,
    onHolds: (held) => holds.push(held),
    onError: (error) => errors.push(error),
  });
  return { keeper, beats, waiting, errors, holds };
}

const noLocks: ExtendLocks = async () => [];
const job = (extend: ExtendLocks = noLocks, jobId = "j", token = "t") => ({ jobId, token, extend });

describe("a claim", () => {
  test("that the ledger no longer knows is aborted, and the others are not", async () => {
    const [lost, kept] = [claimOf(), claimOf()];
    const { keeper } = open([{ claim: lost, kind: "fenced", status: "cancelled" }]);
    const [one, other] = [keeper.hold(lost, job()), keeper.hold(kept, job())];
    void keeper.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(one.aborted).toBe("fenced");
    expect(one.signal.reason).toBeInstanceOf(ClaimAborted);
    expect(other.signal.aborted).toBe(false);
    expect(other.aborted).toBeUndefined();
  });

  test("of a run that is to pause is told so, and works on", async () => {
    const claim = claimOf();
    const { keeper } = open([{ claim, kind: "pausing", status: "running" }]);
    const held = keeper.hold(claim, job());
    void keeper.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(held.pausing).toBe(true);
    expect(held.signal.aborted).toBe(false);
  });

  test("that was released while the beat was under way is left alone", async () => {
    const claim = claimOf();
    const { keeper, waiting } = open();
    const held = keeper.hold(claim, job());
    void keeper.start();
    await vi.advanceTimersByTimeAsync(0);
    held[Symbol.dispose]();
    waiting[0]?.resolve({ lost: [{ claim, kind: "fenced", status: "queued" }], holds: new Map() });
    await vi.advanceTimersByTimeAsync(0);
    expect(held.signal.aborted).toBe(false);
    expect(keeper.size).toBe(0);
  });

  test("is beaten for each second as long as it is held", async () => {
    const { keeper, beats } = open([], [], []);
    const claim = claimOf();
    const held = keeper.hold(claim, job());
    void keeper.start();
    await vi.advanceTimersByTimeAsync(1_000);
    held[Symbol.dispose]();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(beats).toEqual([[claim], [claim], []]);
  });

  test("is aborted for the first cause alone", () => {
    const { keeper } = open();
    const held = keeper.hold(claimOf(), job());
    keeper.handBack();
    held.abort("fenced");
    expect(held.aborted).toBe("hand_back");
  });
});

describe("locks", () => {
  test("are renewed by token, in one call for each queue", async () => {
    const calls: unknown[] = [];
    const queue = (name: string): ExtendLocks => {
      return async (...args) => {
        calls.push([name, ...args]);
        return [];
      };
    };
    const [a, b] = [queue("a"), queue("b")];
    const { keeper } = open([]);
    keeper.hold(claimOf(), job(a, "j1", "t1"));
    keeper.hold(claimOf(), job(b, "j2", "t2"));
    // The same job twice in one process: an old attempt that has not ended yet.
    keeper.hold(claimOf(), job(a, "j1", "t3"));
    void keeper.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(calls).toEqual([
      ["a", ["j1", "j1"], ["t1", "t3"], 4_000],
      ["b", ["j2"], ["t2"], 4_000],
    ]);
  });

  test("are renewed once a second, however often it beats, and however long it is hurried", async () => {
    let renewals = 0;
    const { keeper, beats, waiting } = open([], [], []);
    keeper.hold(
      claimOf(),
      job(async () => {
        renewals += 1;
        return [];
      }),
    );
    void keeper.start();
    for (let count = 0; count < 2; count += 1) {
      await vi.advanceTimersByTimeAsync(10);
      keeper.hurry();
    }
    await vi.advanceTimersByTimeAsync(0);
    expect({ beats: beats.length, renewals }).toEqual({ beats: 3, renewals: 1 });
    // The second passes while a hurried beat is under way: locks do not wait for it.
    keeper.hurry();
    await vi.advanceTimersByTimeAsync(1_000);
    keeper.hurry();
    waiting[0]?.resolve({ lost: [], holds: new Map() });
    await vi.advanceTimersByTimeAsync(0);
    expect({ beats: beats.length, renewals }).toEqual({ beats: 5, renewals: 2 });
  });

  test("are renewed while a beat waits, and of one queue also while another queue's renewal does", async () => {
    const renewals = { well: 0, away: 0 };
    const { keeper, beats } = open();
    const well = async () => {
      renewals.well += 1;
      return [];
    };
    const away = () => {
      renewals.away += 1;
      return Promise.withResolvers<string[]>().promise;
    };
    keeper.hold(claimOf(), job(well));
    keeper.hold(claimOf(), job(away));
    void keeper.start();
    await vi.advanceTimersByTimeAsync(3_500);
    expect({ beats: beats.length, ...renewals }).toEqual({ beats: 1, well: 4, away: 1 });
  });

  test("that are lost are no verdict on the claim", async () => {
    const { keeper, errors } = open([]);
    const held = keeper.hold(
      claimOf(),
      job(async () => ["j"]),
    );
    void keeper.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(held.signal.aborted).toBe(false);
    expect(errors).toEqual([]);
  });
});

describe("the beat", () => {
  test("of a shard that is away holds up that of no other", async () => {
    const [near, far] = [claimOf(0), claimOf(3)];
    // Asked in the order of the shards: the first answers, and the other does not.
    const { keeper, beats, waiting } = open([]);
    const [one, other] = [keeper.hold(near, job()), keeper.hold(far, job())];
    void keeper.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(beats).toEqual([[near], [far]]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(beats).toEqual([[near], [far], [near]]);
    waiting[1]?.resolve({ lost: [{ claim: near, kind: "fenced", status: "cancelled" }], holds: new Map() });
    await vi.advanceTimersByTimeAsync(0);
    expect([one.aborted, other.aborted]).toEqual(["fenced", undefined]);
    waiting[0]?.resolve({ lost: [{ claim: far, kind: "fenced", status: "cancelled" }], holds: new Map() });
    await vi.advanceTimersByTimeAsync(0);
    expect(other.aborted).toBe("fenced");
  });

  test("that fails is told, aborts nothing, and comes again", async () => {
    const claim = claimOf();
    const { keeper, errors } = open(new Error("away"), [{ claim, kind: "fenced", status: "queued" }]);
    const held = keeper.hold(claim, job());
    void keeper.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(errors).toEqual([new Error("away")]);
    expect(held.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(held.aborted).toBe("fenced");
  });

  test("does not pile up while the ledger does not answer", async () => {
    const { keeper, beats, waiting } = open();
    void keeper.start();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(beats).toHaveLength(1);
    waiting[0]?.resolve({ lost: [], holds: new Map() });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(beats).toHaveLength(2);
  });

  test("begins once, however often it is started", async () => {
    const { keeper, beats } = open([], []);
    void keeper.start();
    void keeper.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(beats).toHaveLength(1);
  });

  test("ends when the keeper is stopped, after the one that is under way", async () => {
    const { keeper, waiting } = open();
    void keeper.start();
    await vi.advanceTimersByTimeAsync(0);
    let stopped = false;
    const stopping = keeper.stop().then(() => {
      stopped = true;
    });
    await vi.advanceTimersByTimeAsync(3_000);
    expect(stopped).toBe(false);
    waiting[0]?.resolve({ lost: [], holds: new Map() });
    await stopping;
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("hurrying", () => {
  test("beats at once, not at the next second", async () => {
    const claim = claimOf();
    const { keeper, beats } = open([], [{ claim, kind: "fenced", status: "cancelled" }]);
    const held = keeper.hold(claim, job());
    void keeper.start();
    await vi.advanceTimersByTimeAsync(10);
    expect(beats).toHaveLength(1);
    keeper.hurry();
    await vi.advanceTimersByTimeAsync(0);
    expect(beats).toHaveLength(2);
    expect(held.aborted).toBe("fenced");
  });

  test("while a beat is under way is followed by one more, however often: that one may have looked too early", async () => {
    const claim = claimOf();
    const { keeper, beats, waiting } = open();
    const held = keeper.hold(claim, job());
    void keeper.start();
    await vi.advanceTimersByTimeAsync(0);
    keeper.hurry();
    keeper.hurry();
    keeper.hurry();
    await vi.advanceTimersByTimeAsync(0);
    expect(beats).toHaveLength(1);
    waiting[0]?.resolve({ lost: [], holds: new Map() });
    await vi.advanceTimersByTimeAsync(0);
    expect(beats).toHaveLength(2);
    waiting[1]?.resolve({ lost: [{ claim, kind: "fenced", status: "cancelled" }], holds: new Map() });
    await vi.advanceTimersByTimeAsync(100);
    expect(beats).toHaveLength(2);
    expect(held.aborted).toBe("fenced");
  });

  test("goes on after a beat that failed", async () => {
    const { keeper, beats, waiting, errors } = open();
    void keeper.start();
    await vi.advanceTimersByTimeAsync(0);
    keeper.hurry();
    waiting[0]?.reject(new Error("away"));
    await vi.advanceTimersByTimeAsync(0);
    expect(errors).toEqual([new Error("away")]);
    expect(beats).toHaveLength(2);
  });
});

describe("held pools", () => {
  test("are heard of at each beat, also when none is held any more", async () => {
    const { keeper, waiting, holds } = open();
    void keeper.start();
    await vi.advanceTimersByTimeAsync(0);
    const paused = new Map([[gpt, Number.POSITIVE_INFINITY]]);
    waiting[0]?.resolve({ lost: [], holds: paused });
    await vi.advanceTimersByTimeAsync(1_000);
    waiting[1]?.resolve({ lost: [], holds: new Map() });
    await vi.advanceTimersByTimeAsync(0);
    expect(holds).toEqual([paused, new Map()]);
  });

  test("are known when the start is over, and not told by a beat that failed", async () => {
    const { keeper, holds } = open([], new Error("away"));
    const starting = keeper.start();
    await vi.advanceTimersByTimeAsync(0);
    await starting;
    expect(holds).toEqual([new Map()]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(holds).toHaveLength(1);
  });
});

test("handing back aborts all work, for that cause", () => {
  const { keeper } = open();
  const held = [keeper.hold(claimOf(), job()), keeper.hold(claimOf(), job())];
  expect(keeper.size).toBe(2);
  keeper.handBack();
  expect(held.map((one) => one.aborted)).toEqual(["hand_back", "hand_back"]);
});
