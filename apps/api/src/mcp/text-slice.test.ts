import fc from "fast-check";
import { expect, test } from "vitest";
import { clip, clipLine, sliceText } from "./text-slice.ts";

test("parts that are asked for one behind the other are the whole text, and none cuts a character in two", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), fc.constantFrom(1, 2, 3, 7), (text, chars) => {
      let whole = "";
      let parts = 0;
      for (let from: number | undefined = 0; from !== undefined; parts += 1) {
        const { text: part, next }: ReturnType<typeof sliceText> = sliceText(text, from, chars);
        expect(part.isWellFormed()).toBe(true);
        expect(part.length).toBeLessThanOrEqual(chars + 1);
        whole += part;
        from = next;
      }
      expect(whole).toBe(text);
      expect(parts).toBeLessThanOrEqual(text.length + 1);
    }),
  );
});

test("a place behind the end gives nothing, and there is nothing behind it", () => {
  expect(sliceText("abc", 3, 5)).toEqual({ text: "", next: undefined });
  expect(sliceText("abc", 10, 5)).toEqual({ text: "", next: undefined });
});

test("a text that is cut says how much is missing", () => {
  expect(clip("abcdef", 6)).toBe("abcdef");
  expect(clip("abcdef", 4)).toBe("abcd… [2 more characters]");
  expect(clipLine(" a\n\tb ", 10)).toBe("a b");
});
