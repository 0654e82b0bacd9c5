import { modelIdSchema } from "@baton/core";
import { expect, test } from "vitest";
import { isServing, liveConcurrencyOf } from "./registry.ts";

const gpt = modelIdSchema.parse("openai/gpt");
const claude = modelIdSchema.parse("anthropic/claude");

const worker = (more: Partial<Parameters<typeof liveConcurrencyOf>[1][number]>) => ({
  patterns: ["openai/*"],
  pools: [],
  refused: [],
  concurrency: 10,
  caps: {},
  ...more,
});

test("a worker serves what it has, and what its patterns match unless it could not", () => {
  expect(isServing(worker({}), gpt)).toBe(true);
  expect(isServing(worker({}), claude)).toBe(false);
  expect(isServing(worker({ refused: [gpt] }), gpt)).toBe(false);
  expect(isServing(worker({ patterns: [], pools: [claude] }), claude)).toBe(true);
});

test("the places of a pool are those of the workers that serve it, up to their caps", () => {
  const workers = [
    worker({}),
    worker({ caps: { [gpt]: 3 } }),
    worker({ caps: { [gpt]: 30, [claude]: 1 } }),
    worker({ refused: [gpt] }),
    worker({ patterns: ["anthropic/*"], concurrency: 100 }),
  ];
  expect(liveConcurrencyOf(gpt, workers)).toBe(23);
  expect(liveConcurrencyOf(claude, workers)).toBe(100);
  expect(liveConcurrencyOf(gpt, [])).toBe(0);
});
