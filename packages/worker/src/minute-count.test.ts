import { expect, test } from "vitest";
import { MinuteCount } from "./minute-count.ts";

test("what happened within the last minute is counted, and what is older is not", () => {
  const count = new MinuteCount();
  const start = 1_800_000_000_000;
  for (let second = 0; second < 90; second += 1) count.add(start + second * 1_000);
  expect(count.at(start + 89_000)).toBe(60);
  expect(count.at(start + 119_000)).toBe(30);
  expect(count.at(start + 10_000_000)).toBe(0);
});

test("a clock that goes back neither loses nor doubles what was counted", () => {
  const count = new MinuteCount();
  count.add(1_800_000_010_000);
  count.add(1_800_000_000_000);
  expect(count.at(1_800_000_000_000)).toBe(2);
});
