import { expect, test } from "vitest";
import { SeenIds } from "./seen-ids.ts";

test("each of a hundred thousand ids is met once, and again with the line that it was on", () => {
  const seen = new SeenIds();
  const met: number[] = [];
  for (let line = 1; line <= 100_000; line += 1)
    if (seen.add(`id-${line}`, line) !== undefined) met.push(line);
  expect(met).toEqual([]);
  for (let line = 1; line <= 100_000; line += 997) expect(seen.add(`id-${line}`, 1)).toBe(line);
  expect(seen.add("id-0", 7)).toBeUndefined();
});
