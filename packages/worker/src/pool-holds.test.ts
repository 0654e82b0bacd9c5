import { expect, test } from "vitest";
import { PoolHolds } from "./pool-holds.ts";
import { claude, gpt } from "./testing/log.ts";

function open() {
  const clock = { ms: 1_000 };
  return { clock, holds: new PoolHolds({ now: () => clock.ms }) };
}

test("a pool of which nothing was heard is free", () => {
  expect(open().holds.msOf(gpt)).toBe(0);
});

test("a hold ends by time", () => {
  const { clock, holds } = open();
  holds.learn(new Map([[gpt, 500]]));
  expect([holds.msOf(gpt), holds.msOf(claude)]).toEqual([500, 0]);
  clock.ms += 400;
  expect(holds.msOf(gpt)).toBe(100);
  clock.ms += 400;
  expect(holds.msOf(gpt)).toBe(0);
});

test("a paused pool is held until the beat says otherwise", () => {
  const { clock, holds } = open();
  holds.learn(new Map([[gpt, Number.POSITIVE_INFINITY]]));
  clock.ms += 1e9;
  expect(holds.msOf(gpt)).toBe(Number.POSITIVE_INFINITY);
  holds.learn(new Map());
  expect(holds.msOf(gpt)).toBe(0);
});

test("a rate limit that was met here holds at once, and never shortens a hold", () => {
  const { holds } = open();
  holds.hold(gpt, 300);
  holds.hold(gpt, 200);
  expect(holds.msOf(gpt)).toBe(300);
  holds.hold(gpt, 900);
  expect(holds.msOf(gpt)).toBe(900);
  holds.learn(new Map([[gpt, Number.POSITIVE_INFINITY]]));
  holds.hold(gpt, 900);
  expect(holds.msOf(gpt)).toBe(Number.POSITIVE_INFINITY);
});

test("one pool's hold leaves the others as they are", () => {
  const { holds } = open();
  holds.learn(new Map([[claude, 700]]));
  holds.hold(gpt, 300);
  expect([holds.msOf(gpt), holds.msOf(claude)]).toEqual([300, 700]);
});
