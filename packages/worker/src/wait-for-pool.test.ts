import type { Outcome } from "@baton/store";
import { expect, test } from "vitest";
import { PoolHolds } from "./pool-holds.ts";
import { gpt } from "./testing/log.ts";
import { comeBack, waitForPool } from "./wait-for-pool.ts";

const TRIES = { failures: 2, rateLimits: 1 };

/** A session that keeps how it was ended, at a clock that stands still until the test moves it. */
function open() {
  let now = 1_000;
  const holds = new PoolHolds({ now: () => now });
  const outcomes: Outcome[] = [];
  const abort = new AbortController();
  const session = {
    held: { signal: abort.signal },
    tries: TRIES,
    end: async (outcome: Outcome) => {
      outcomes.push(outcome);
      return { kind: "ended" as const, entry: undefined };
    },
  };
  const ids = { now: () => now, random: (size: number) => new Uint8Array(size).fill(255) };
  return {
    holds,
    outcomes,
    abort,
    pass: (ms: number) => {
      now += ms;
    },
    // What is asked of a session here is all that is given.
    wait: () => waitForPool(session as unknown as Parameters<typeof waitForPool>[0], gpt, { holds, ids }),
  };
}

test("a pool that nobody holds is free", async () => {
  expect(await open().wait()).toBe("free");
});

test("a short hold is waited for in place, and then everything is looked at again", async () => {
  const { holds, wait, pass, outcomes } = open();
  holds.hold(gpt, 20);
  expect(await wait()).toBe("waited");
  // A longer one came meanwhile.
  holds.hold(gpt, 5_000);
  expect(await wait()).toBe("held");
  pass(5_000);
  expect(await wait()).toBe("free");
  expect(outcomes).toHaveLength(1);
});

test("a long hold gives the place back until it is over, a little spread, and uses up no attempt", async () => {
  const { holds, wait, outcomes } = open();
  holds.hold(gpt, 10_000);
  expect(await wait()).toBe("held");
  expect(outcomes).toEqual([{ kind: "requeue", delayMs: 12_491, tries: TRIES }]);
});

test("an abort ends the wait at once", async () => {
  const { holds, wait, abort, outcomes } = open();
  holds.hold(gpt, 1_000);
  const waiting = wait();
  abort.abort();
  expect(await waiting).toBe("lost");
  expect(outcomes).toEqual([]);
});

test("a run for which the account has no room comes back then, says what it waits for, and uses up no attempt", async () => {
  const ended: unknown[] = [];
  const session = {
    tries: TRIES,
    end: async (...how: unknown[]) => {
      ended.push(how);
      return { kind: "ended" as const, entry: undefined };
    },
  };
  const limit = "openai: tokens a minute";
  expect(await comeBack(session, { kind: "later", ms: 4_200, limit })).toBe("held");
  const message = "waits for the limit of openai: tokens a minute: about 5 s";
  expect(ended).toEqual([
    [
      { kind: "requeue", delayMs: 4_200, tries: TRIES },
      [],
      [{ type: "notice", code: "provider_limit", message }],
    ],
  ]);
});
