import { expect, test } from "vitest";
import { type Caller, OpenCalls } from "./open-calls.ts";

const mine: Caller = { principal: { keyId: "k1", namespace: "n" }, session: "s" };

function opened(caller: Caller, ...ids: (string | number)[]) {
  const calls = new OpenCalls();
  let ends = 0;
  const forget = calls.add(caller, ids, () => {
    ends += 1;
  });
  return { calls, forget, ends: () => ends };
}

test("a call is ended by its caller's own session and number alone", () => {
  const { calls, ends } = opened(mine, 1);
  calls.cancel({ ...mine, session: "another" }, 1);
  calls.cancel({ ...mine, session: undefined }, 1);
  calls.cancel({ ...mine, principal: { keyId: "k2", namespace: "n" } }, 1);
  calls.cancel({ ...mine, principal: { keyId: "k1" } }, 1);
  calls.cancel(mine, "1");
  calls.cancelAll({ ...mine, session: "another" });
  expect(ends()).toBe(0);
  calls.cancel(mine, 1);
  expect(ends()).toBe(1);
});

test("the end of a session ends all of its calls", () => {
  const { calls, ends } = opened(mine, 1);
  let others = 0;
  calls.add(mine, ["a"], () => {
    others += 1;
  });
  calls.cancelAll(mine);
  expect([ends(), others]).toEqual([1, 1]);
});

test("what has ended is forgotten, and not what took its number since", () => {
  const { calls, forget, ends } = opened(mine, 1, 2);
  let others = 0;
  calls.add(mine, [1], () => {
    others += 1;
  });
  forget();
  expect(calls.size).toBe(1);
  calls.cancel(mine, 2);
  calls.cancel(mine, 1);
  expect([ends(), others]).toEqual([0, 1]);
});

test("a call without a session is kept nowhere", () => {
  const { calls } = opened({ ...mine, session: undefined }, 1);
  expect(calls.size).toBe(0);
});
