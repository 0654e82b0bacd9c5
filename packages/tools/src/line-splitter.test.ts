import fc from "fast-check";
import { expect, test } from "vitest";
import { createLineSplitter } from "./line-splitter.ts";

test("lines come out as they went in, wherever the chunks are cut", () => {
  const line = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll(/[\r\n]/g, ""));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(200)), (lines, cuts) => {
      const bytes = Buffer.from(
        lines
          .map((each) => `${each}\n`)
          .join("")
          .toString(),
      );
      const splitter = createLineSplitter(10_000);
      const found: string[] = [];
      const borders = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
      for (const [index, border] of borders.entries()) {
        const added = splitter.add(bytes.subarray(borders[index - 1] ?? 0, border));
        if (added === "too_long") throw new Error("too long");
        found.push(...added);
      }
      expect(found).toEqual(lines.map((each) => each.toWellFormed()));
    }),
  );
});

test("a line over the bound is refused, complete or not; one at the bound is not", () => {
  const bytes = (count: number) => Buffer.alloc(count, "x");
  expect(createLineSplitter(10).add(bytes(11))).toBe("too_long");
  expect(createLineSplitter(10).add(Buffer.concat([bytes(11), Buffer.from("\n")]))).toBe("too_long");
  const splitter = createLineSplitter(10);
  expect(splitter.add(bytes(6))).toEqual([]);
  expect(splitter.add(Buffer.concat([bytes(4), Buffer.from("\n")]))).toEqual(["x".repeat(10)]);
  expect(splitter.add(bytes(10))).toEqual([]);
  expect(splitter.add(bytes(1))).toBe("too_long");
});
