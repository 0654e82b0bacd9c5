import fc from "fast-check";
import { expect, test } from "vitest";
import { pickBy } from "./pick.ts";

test("goes through a list without repeating, in an order that only the seed decides", () => {
  fc.assert(
    fc.property(fc.string(), fc.uniqueArray(fc.integer(), { minLength: 1, maxLength: 8 }), (seed, list) => {
      const [first = 0, ...rest] = list;
      const options: [number, ...number[]] = [first, ...rest];
      const [a, b] = [pickBy(seed), pickBy(seed)];
      const taken = options.map(() => a(options));
      expect(new Set(taken)).toEqual(new Set(options));
      expect(options.map(() => b(options))).toEqual(taken);
      expect(options).toContain(a(options));
    }),
  );
});

test("different seeds make different choices", () => {
  const options = ["a", "b", "c", "d"] as const;
  const firsts = Array.from({ length: 40 }, (_, seed) => pickBy(`${seed}`)(options));
  expect(new Set(firsts)).toEqual(new Set(options));
});
