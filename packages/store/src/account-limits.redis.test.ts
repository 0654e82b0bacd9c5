/** The scripts that count what is asked of providers' accounts. Most use a window so long that no time passes in it. */
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { useRedis } from "../../../test/support/redis.ts";
import { until } from "../../../test/support/until.ts";
import type { Amounts, Dimension, Reserve, ReserveReply } from "./account-limits.ts";
import { limitKeys } from "./keys.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { dumpRedis } from "./testing/dump-redis.ts";

const redis = useRedis();
let ledger: Ledger;
let calls = 0;
beforeEach(async () => {
  const connection = redis.connect();
  await connection.flushall();
  ledger = createLedger(connection, { retentionMs: 0 });
});

const WINDOW_MS = 600_000;
const POOL = { account: "acme", model: "m" };

function amounts(tokens: number, output = 0): Amounts {
  return { requests: 1, tokens, inputTokens: tokens - output, outputTokens: output };
}

/** Asks for room for a call; returns its id with the reply. */
async function ask(options: Partial<Reserve> = {}): Promise<ReserveReply & { readonly call: string }> {
  calls += 1;
  const call = `c${calls}`;
  const reply = await ledger.reserve({
    ...POOL,
    call,
    amounts: amounts(10),
    windowMs: WINDOW_MS,
    bookMs: WINDOW_MS / 30,
    leaseMs: 10_000,
    accountLimits: {},
    poolLimits: {},
    concurrent: undefined,
    ...options,
  });
  return { ...reply, call };
}

async function usedOf(bucket: string, dimension: Dimension = "requests", windowMs = WINDOW_MS) {
  const found = (await ledger.limits(windowMs)).find(({ name }) => name === bucket);
  return found?.[dimension];
}

/** Books until there is no room; returns what was granted. */
async function fill(options: Partial<Reserve>): Promise<readonly string[]> {
  const granted: string[] = [];
  for (let asked = 0; asked < 200; asked += 1) {
    const reply = await ask({ bookMs: WINDOW_MS, ...options });
    if (reply.kind !== "granted" || reply.ms > 20 * (WINDOW_MS / 120)) return granted;
    granted.push(reply.call);
  }
  throw new Error("it never fills");
}

test("what nothing limits is free, and nothing is counted", async () => {
  expect(await ask()).toMatchObject({ kind: "free" });
  expect(await dumpRedis(ledger.redis)).toEqual({});
});

describe("booking", () => {
  test("as much as the limit is granted, no slot takes a crowd, and the next is told when there is room", async () => {
    const accountLimits = { requests: 30 };
    const granted: number[] = [];
    for (let index = 0; index < 30; index += 1) {
      const reply = await ask({ accountLimits });
      if (reply.kind === "granted") granted.push(reply.ms);
      else expect(reply).toMatchObject({ kind: "wait", limit: { bucket: "acme", dimension: "requests" } });
    }
    // Five a slot, in this one and those that begin soon.
    expect(granted).toHaveLength(25);
    expect(granted.filter((ms) => ms === 0).length).toBeLessThanOrEqual(5);
    expect(Math.max(...granted)).toBeLessThanOrEqual(WINDOW_MS / 30);
  });

  test("who finds no room is told a time behind those who were told before", async () => {
    // Others use all of it, and it comes back evenly.
    const report = { tokens: { limit: 100, remaining: 0, resetMs: WINDOW_MS } };
    await ledger.learnLimits({ ...POOL, report, windowMs: WINDOW_MS });
    const told: number[] = [];
    for (let index = 0; index < 20; index += 1) {
      const reply = await ask({ amounts: amounts(2), bookMs: 0 });
      if (reply.kind === "wait") told.push(Math.round(reply.ms / (WINDOW_MS / 120)));
    }
    expect(told.length).toBeGreaterThanOrEqual(18);
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    // Twenty of them take forty of what comes back, and that takes two fifths of the window.
    expect(told.at(-1)).toBeGreaterThan(40);
    expect(new Set(told).size).toBeGreaterThan(15);
  });

  test("both buckets have room or neither is booked, and the reply says which has none", async () => {
    const limits = { accountLimits: { requests: 100 }, poolLimits: { tokens: 20 } };
    await ask({ ...limits, amounts: amounts(15) });
    const before = await usedOf("acme");
    expect(await ask({ ...limits, amounts: amounts(15), bookMs: 0 })).toMatchObject({
      kind: "wait",
      limit: { bucket: "acme/m", dimension: "tokens" },
    });
    expect((await usedOf("acme"))?.used).toBe(before?.used);
    // Another model of the account has the account's room.
    expect(await ask({ ...limits, model: "n", amounts: amounts(15) })).toMatchObject({ kind: "granted" });
    expect((await usedOf("acme"))?.used).toBe(2);
  });

  test("input and output tokens are limited each by itself", async () => {
    const limits = { poolLimits: { inputTokens: 100, outputTokens: 10 }, bookMs: 0 };
    expect(await ask({ ...limits, amounts: amounts(20, 10) })).toMatchObject({ kind: "granted" });
    expect(await ask({ ...limits, amounts: amounts(20, 5) })).toMatchObject({
      kind: "wait",
      limit: { dimension: "outputTokens" },
    });
  });

  test("a call that is larger than the limit goes when nothing else is in the window", async () => {
    const accountLimits = { tokens: 100 };
    expect(await ask({ accountLimits, amounts: amounts(500) })).toMatchObject({ kind: "granted", ms: 0 });
    expect(await ask({ accountLimits, amounts: amounts(1), bookMs: 0 })).toMatchObject({ kind: "wait" });
  });

  test("a large call books further ahead, and small ones do not take its room", async () => {
    const report = { tokens: { limit: 100, remaining: 0, resetMs: WINDOW_MS } };
    await ledger.learnLimits({ ...POOL, report, windowMs: WINDOW_MS });
    const large = await ask({ amounts: amounts(40) });
    expect(large.kind === "granted" && Math.round(large.ms / (WINDOW_MS / 120))).toBeCloseTo(48, -1);
    // A small one would find room before, had the large one not booked what comes back.
    const small = await ask({ amounts: amounts(2) });
    expect(small.kind === "wait" && large.kind === "granted" && small.ms >= large.ms - WINDOW_MS / 120).toBe(
      true,
    );
  });

  test("a call that only asks books nothing and tells nobody to wait", async () => {
    const accountLimits = { requests: 1 };
    await ask({ accountLimits });
    const before = await dumpRedis(ledger.redis);
    expect(await ask({ accountLimits, call: undefined })).toMatchObject({ kind: "wait" });
    expect(await dumpRedis(ledger.redis)).toEqual(before);
  });
});

describe("settling", () => {
  test("what a call took stands instead of the estimate, in both buckets; a second time changes nothing (R1)", async () => {
    const accountLimits = { tokens: 100 };
    const { call } = await ask({ accountLimits, amounts: amounts(90) });
    const settle = { ...POOL, call, amounts: amounts(15), windowMs: WINDOW_MS };
    await ledger.settle(settle);
    const before = await dumpRedis(ledger.redis);
    await ledger.settle(settle);
    expect(await dumpRedis(ledger.redis)).toEqual(before);
    for (const bucket of ["acme", "acme/m"]) {
      expect((await usedOf(bucket, "tokens"))?.used).toBe(15);
      expect((await usedOf(bucket))?.used).toBe(1);
    }
    expect(await usedOf("acme", "tokens")).toMatchObject({ limit: 100, headroom: 85, learned: false });
  });

  test("when nobody knows what it took, the estimate stays", async () => {
    const { call } = await ask({ accountLimits: { tokens: 100 }, amounts: amounts(90) });
    await ledger.settle({ ...POOL, call, amounts: undefined, windowMs: WINDOW_MS });
    expect((await usedOf("acme", "tokens"))?.used).toBe(90);
    expect(await ledger.redis.hexists(limitKeys("acme").bucket, `c:${call}`)).toBe(0);
  });

  test("a call that begins late counts as of now", async () => {
    const windowMs = 120_000;
    const accountLimits = { tokens: 100 };
    const { call } = await ask({ accountLimits, windowMs, amounts: amounts(60) });
    const slots = async () => {
      const fields = await ledger.redis.hgetall(limitKeys("acme").bucket);
      return Object.entries(fields).filter(([field, value]) => /^t\d+$/.test(field) && value !== "0");
    };
    const [[before] = []] = await slots();
    // The next slot begins within a second.
    const [[after] = []] = await until(
      async () => {
        await ledger.moveCall({ ...POOL, call, windowMs });
        const now = await slots();
        return now[0]?.[0] === before ? undefined : now;
      },
      { what: "the next slot" },
    );
    expect(Number(after?.slice(1))).toBeGreaterThan(Number(before?.slice(1)));
    await ledger.settle({ ...POOL, call, amounts: amounts(7), windowMs });
    expect(await slots()).toEqual([[after, "7"]]);
  });
});

test("a call that begins more than a window late counts all the same", async () => {
  const windowMs = 240;
  const { call } = await ask({ accountLimits: { requests: 10 }, windowMs, bookMs: 8 });
  await until(async () => (await usedOf("acme", "requests", windowMs))?.used === 0, {
    what: "its window to pass",
  });
  await ledger.moveCall({ ...POOL, call, windowMs });
  expect((await usedOf("acme", "tokens", windowMs))?.used).toBe(10);
  expect((await usedOf("acme/m", "tokens", windowMs))?.used).toBe(10);
});

describe("a window that passes", () => {
  test("is never booked beyond its limit, whatever is asked and settled when", {
    timeout: 60_000,
  }, async () => {
    const windowMs = 480;
    const limit = 60;
    const step = fc.record({
      tokens: fc.integer({ min: 1, max: 12 }),
      pauseMs: fc.nat(12),
      settles: fc.constantFrom(undefined, 0, 0.5, 1),
    });
    let round = 0;
    const walk = async (
      steps: readonly { tokens: number; pauseMs: number; settles: number | undefined }[],
    ) => {
      round += 1;
      const pool = { account: `a${round}`, model: "m" };
      const granted: { readonly slot: number; readonly tokens: number }[] = [];
      for (const { tokens, pauseMs, settles } of steps) {
        if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
        const reply = await ask({
          ...{ ...pool, windowMs, bookMs: 16, accountLimits: { tokens: limit } },
          amounts: amounts(tokens),
        });
        if (reply.kind !== "granted") continue;
        const booked = await ledger.redis.hget(limitKeys(pool.account).bucket, `c:${reply.call}`);
        const taken = settles === undefined ? tokens : Math.ceil(tokens * settles);
        granted.push({ slot: Number.parseInt(booked ?? "", 10), tokens: taken });
        if (settles === undefined) continue;
        await ledger.settle({ ...pool, call: reply.call, amounts: amounts(taken), windowMs });
      }
      // Calls of slots that are 120 apart may still be less than a window apart.
      for (const { slot: end } of granted) {
        const inWindow = granted.filter(({ slot }) => slot >= end - 120 && slot <= end);
        expect(inWindow.reduce((sum, { tokens }) => sum + tokens, 0)).toBeLessThanOrEqual(limit);
      }
      return { count: granted.length, slots: (granted.at(-1)?.slot ?? 0) - (granted[0]?.slot ?? 0) };
    };
    const walks: Awaited<ReturnType<typeof walk>>[] = [];
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 80, maxLength: 120 }), async (steps) => {
        walks.push(await walk(steps));
      }),
      { numRuns: 8, endOnFailure: true },
    );
    expect(Math.max(...walks.map(({ count }) => count))).toBeGreaterThan(20);
    expect(Math.max(...walks.map(({ slots }) => slots))).toBeGreaterThan(120);
  });

  test("is read in bounded time also by one who has another window in mind", async () => {
    await ask({ accountLimits: { tokens: 60 }, windowMs: 240, bookMs: 8 });
    await ledger.learnLimits({ ...POOL, report: { tokens: { limit: 9, remaining: 1 } }, windowMs: 60_000 });
    await ledger.cutLimits("acme", 60_000);
    expect(await ledger.limits(60_000)).toHaveLength(2);
  });

  test("leaves all of its room again, and its slots are swept", { timeout: 30_000 }, async () => {
    const windowMs = 240;
    const limits = { accountLimits: { tokens: 30 }, windowMs, bookMs: 8 };
    for (let round = 0; round < 3; round += 1) {
      await until(async () => (await ask({ ...limits, amounts: amounts(30) })).kind === "granted", {
        what: "room for the whole limit",
      });
    }
    const fields = await ledger.redis.hkeys(limitKeys("acme").bucket);
    // Its own slot, and what those were told who asked in vain: of four windows no more than two are there.
    expect(fields.filter((field) => /^t\d+$/.test(field)).length).toBeLessThanOrEqual(2);
  });
});

describe("calls at once", () => {
  const limits = { concurrent: 2 };

  test("are no more than may be; one that ends makes room", async () => {
    const first = await ask(limits);
    await ask(limits);
    expect(await ask(limits)).toMatchObject({ kind: "busy" });
    expect((await ledger.limits(WINDOW_MS))[0]?.calls).toEqual({ underWay: 2, limit: 2 });
    await ledger.settle({ ...POOL, call: first.call, amounts: undefined, windowMs: WINDOW_MS });
    expect(await ask(limits)).toMatchObject({ kind: "granted" });
  });

  test("one of a worker that died makes room when its lease is over, one that is renewed does not", async () => {
    const short = { ...limits, leaseMs: 300 };
    const lost = await ask(short);
    const kept = await ask(short);
    const granted = await until(
      async () => {
        await ledger.renewCalls("acme", 300, [kept.call]);
        const reply = await ask(limits);
        return reply.kind === "granted" ? reply : undefined;
      },
      { what: "the lost call's place" },
    );
    expect(granted.call).not.toBe(lost.call);
    await ledger.renewCalls("acme", 10_000, [kept.call]);
    expect(await ask(limits)).toMatchObject({ kind: "busy" });
  });
});

describe("what a provider says", () => {
  const learn = (report: Parameters<Ledger["learnLimits"]>[0]["report"]) =>
    ledger.learnLimits({ ...POOL, report, windowMs: WINDOW_MS });

  test("limits its model, where the configuration says nothing", async () => {
    await learn({ requests: { limit: 20 }, tokens: { limit: 1_000 } });
    expect(await fill({})).toHaveLength(20);
    expect(await usedOf("acme/m")).toMatchObject({ limit: 20, learned: true, headroom: 0 });
    expect(await ask({ model: "n" })).toMatchObject({ kind: "free" });
    expect((await fill({ poolLimits: { requests: 25 } })).length).toBe(5);
  });

  test("what it has left less is used by others, and comes back until its reset", async () => {
    const windowMs = 2_000;
    const report = { tokens: { limit: 1_000, remaining: 200, resetMs: 1_000 } };
    await ledger.learnLimits({ ...POOL, report, windowMs });
    expect((await usedOf("acme/m", "tokens", windowMs))?.others).toBeGreaterThan(300);
    const asks = { windowMs, bookMs: 0, amounts: amounts(700), call: undefined };
    const reply = await ask(asks);
    // A large call may book ahead.
    expect(reply.kind === "granted" && reply.ms > 100).toBe(true);
    await until(async () => (await usedOf("acme/m", "tokens", windowMs))?.others === 0, {
      what: "the reset",
    });
    expect(await ask(asks)).toMatchObject({ kind: "granted", ms: 0 });
  });

  test("does not hide others behind calls that are only on their way", async () => {
    const tokens = { limit: 1_000, remaining: 200, resetMs: WINDOW_MS };
    await learn({ tokens });
    await ask({ amounts: amounts(150) });
    await learn({ tokens });
    expect((await usedOf("acme/m", "tokens"))?.others).toBeGreaterThan(750);
  });
});

describe("a refusal without a word", () => {
  const limitOfNextCut = (windowMs: number) => {
    const next = async () => {
      await ledger.cutLimits("acme", windowMs);
      return (await usedOf("acme", "requests", windowMs))?.limit;
    };
    return until(next, { what: "the next refusal that counts" });
  };

  test("halves what was learned, once for a crowd, and leaves what was configured", async () => {
    await ledger.learnLimits({ ...POOL, report: { tokens: { limit: 1_000 } }, windowMs: WINDOW_MS });
    for (let refusal = 0; refusal < 5; refusal += 1) await ledger.cutLimits("acme/m", WINDOW_MS);
    const { limit = 0 } = (await usedOf("acme/m", "tokens")) ?? {};
    expect(limit >= 500 && limit < 520).toBe(true);
    await ask({ poolLimits: { tokens: 900 } });
    expect((await usedOf("acme/m", "tokens"))?.limit).toBe(900);
  });

  test("of an account halves what was learned of each of its models", async () => {
    const report = { requests: { limit: 40 } };
    for (const model of ["m", "a/b"]) {
      await ledger.learnLimits({ ...POOL, model, report, windowMs: WINDOW_MS });
      await ask({ model });
    }
    await ledger.cutLimits("acme", WINDOW_MS);
    for (const model of ["m", "a/b"]) {
      const { limit = 0 } = (await usedOf(`acme/${model}`)) ?? {};
      expect(limit >= 20 && limit < 23).toBe(true);
      expect((await fill({ model })).length).toBeLessThan(23);
    }
    expect((await fill({ poolLimits: { requests: 40 } })).length).toBeGreaterThan(10);
  });

  test("allows half of what was counted, since it was counted and not since the first refusal", async () => {
    const windowMs = 6_000;
    for (let count = 0; count < 40; count += 1) await ask({ poolLimits: { requests: 1_000 }, windowMs });
    const startedAt = performance.now();
    await until(() => performance.now() - startedAt > windowMs / 3, { what: "a part of the window" });
    await ledger.cutLimits("acme", windowMs);
    const limit = await limitOfNextCut(windowMs);
    // Forty in five twelfths of a window, not in the twelfth since the first refusal.
    expect(limit >= 20 && limit < 70).toBe(true);
  });

  test("begins to count where no limit is known; the next one allows half of that, which doubles until it is forgotten", async () => {
    const windowMs = 600;
    const limitNow = async () => (await usedOf("acme", "requests", windowMs))?.limit;
    await ledger.cutLimits("acme", windowMs);
    expect(await limitNow()).toBeUndefined();
    for (let count = 0; count < 40; count += 1)
      expect(await ask({ windowMs })).toMatchObject({ kind: "granted" });
    expect((await usedOf("acme", "requests", windowMs))?.used).toBe(40);
    const limit = await limitOfNextCut(windowMs);
    // Forty in a part of a window would be more in a whole one.
    expect(limit).toBeGreaterThanOrEqual(20);
    await until(async () => ((await limitNow()) ?? 0) >= 2 * limit, { what: "twice as much" });
    await until(async () => (await limitNow()) === undefined, { what: "the refusal to be forgotten" });
  });
});
