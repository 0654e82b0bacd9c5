import { expect, test } from "vitest";
import { slotOf } from "./slot-of.ts";

// What CLUSTER KEYSLOT of Redis 7.0.15 says.
test.each([
  ["foo", 12_182],
  ["bar", 5_061],
  ["123456789", 12_739],
  ["{foo}:rest", 12_182],
  ["a{foo}b{bar}", 12_182],
  ["{}", 15_257],
  ["", 0],
])("the slot of %j is %i", (key, slot) => {
  expect(slotOf(key)).toBe(slot);
});
