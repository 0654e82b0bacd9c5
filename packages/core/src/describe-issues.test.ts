import { describe, expect, test } from "vitest";
import { z } from "zod";
import { describeIssues } from "./describe-issues.ts";

function lineOf(schema: z.ZodType, value: unknown): string {
  const parsed = schema.safeParse(value);
  if (parsed.success) throw new Error("it fits");
  return describeIssues(parsed.error);
}

const block = z.union([
  z.strictObject({ type: z.literal("text"), text: z.string() }),
  z.strictObject({ type: z.literal("file"), file: z.strictObject({ url: z.string().max(5) }) }),
]);

describe("a misfit", () => {
  test("is told with its path, several in one line", () => {
    const schema = z.object({ a: z.object({ b: z.number().max(3, "at most three") }), c: z.string() });
    expect(lineOf(schema, { a: { b: 4 }, c: 1 })).toBe(
      "a.b: at most three; c: expected string, received number",
    );
    expect(lineOf(schema, 4)).toBe("expected object, received number");
  });

  test("among several forms is told for the form that was meant", () => {
    const schema = z.object({ content: z.union([z.string(), z.array(block)]) });
    expect(lineOf(schema, { content: [{ type: "file", file: { url: "too long" } }] })).toMatch(
      /^content\.0\.file\.url: Too big/,
    );
    expect(lineOf(schema, { content: [{ type: "text", txt: "a" }] })).toBe(
      'content.0.text: expected string, received undefined; content.0: Unrecognized key: "txt"',
    );
  });

  test("where no form is begun is told as the alternatives", () => {
    expect(lineOf(z.object({ a: z.union([z.string(), z.array(z.string())]) }), { a: 1 })).toBe(
      "a: expected string, received number, or expected array, received number",
    );
    expect(lineOf(z.union([z.literal("on"), z.literal("off")]), "of")).toBe(
      'expected "on", or expected "off"',
    );
  });

  test("of a text is told rather than that it is no object", () => {
    const schema = z.union([z.string().regex(/^a/, "begins with a"), z.object({ a: z.string() })]);
    expect(lineOf(schema, "b")).toBe("begins with a");
  });

  test("of a record's key is what is wrong with the key", () => {
    expect(lineOf(z.record(z.string().max(1, "one letter"), z.number()), { ab: 1 })).toBe("ab: one letter");
  });
});

test("the line is bounded, however much is wrong", () => {
  const schema = z.array(z.string().refine(() => false, "x".repeat(400)));
  const line = lineOf(
    schema,
    Array.from({ length: 100 }, () => "a"),
  );
  expect(line.length).toBeLessThanOrEqual(1_000);
  expect(
    lineOf(
      z.array(z.number()),
      Array.from({ length: 100 }, () => "a"),
    ).split(";"),
  ).toHaveLength(5);
});
