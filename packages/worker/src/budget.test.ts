/** Budgets, told from conversations that were written by hand. */
import { parseRunSpec } from "@baton/core";
import { describe, expect, test } from "vitest";
import { type BudgetView, budgetOf, overBudget, spentOf } from "./budget.ts";
import { claude, gpt, handoff, log, record, reply, retried, user } from "./testing/log.ts";

const specOf = (budget: object | undefined) =>
  parseRunSpec({ input: "?", model: [gpt, claude], ...(budget === undefined ? {} : { budget }) });

function viewOf(budget: object | undefined, more: Partial<BudgetView> = {}): BudgetView {
  return { spec: specOf(budget), items: [], model: gpt, isPriced: () => true, batch: undefined, ...more };
}

describe("what a run spent", () => {
  test("is the tokens and the costs of all its replies, of every phase", () => {
    const items = log(
      user("go"),
      reply(["a"], { tokens: 10, costUsd: 0.5 }),
      handoff(claude),
      reply(["b"], { phase: 1, model: claude, tokens: 7, costUsd: 0.25 }),
    );
    expect(spentOf(items)).toEqual({ tokens: 17, usd: 0.75 });
    expect(spentOf([])).toEqual({ tokens: 0, usd: 0 });
  });

  test("is not known in USD once one price was not", () => {
    const items = log(reply(["a"], { tokens: 10, costUsd: 0.5 }), reply(["b"], { tokens: 1, costUsd: null }));
    expect(spentOf(items)).toEqual({ tokens: 11, usd: null });
  });

  test("does not count what an assistant said before, nor the replies of the run that it was forked from", () => {
    const submitted = { ...reply(["before"], { tokens: 99, costUsd: 9 }), origin: undefined };
    const items = log(
      submitted,
      reply(["theirs"], { tokens: 50, costUsd: 5 }),
      record("fork"),
      reply(["own"], { tokens: 3, costUsd: 0.1 }),
    );
    expect(spentOf(items)).toEqual({ tokens: 3, usd: 0.1 });
  });

  test("goes on past a retry: it was paid", () => {
    const items = log(
      reply(["a"], { tokens: 5, costUsd: 1 }),
      retried(),
      reply(["b"], { tokens: 5, costUsd: 1 }),
    );
    expect(spentOf(items)).toEqual({ tokens: 10, usd: 2 });
  });
});

describe("the budget", () => {
  test("is the spec's, until people give more, name by name", () => {
    const spec = specOf({ tokens: 10, usd: 1 });
    expect(budgetOf(spec, [])).toEqual({ tokens: 10, usd: 1 });
    const items = log(
      record("resume", { budget: { tokens: 20 } }),
      record("retry", { budget: { usd: 3 } }),
      record("approve", { calls: ["a"] }),
    );
    expect(budgetOf(spec, items)).toEqual({ tokens: 20, usd: 3 });
    expect(budgetOf(specOf(undefined), items)).toEqual({ tokens: 20, usd: 3 });
  });

  test("of a fork is its own, not what people gave to the other run", () => {
    const items = log(record("resume", { budget: { tokens: 1_000 } }), record("fork"));
    expect(budgetOf(specOf({ tokens: 10 }), items)).toEqual({ tokens: 10 });
  });

  test("takes numbers alone from a record", () => {
    const items = log(record("retry", { budget: { tokens: "many" } }), record("retry", { budget: null }));
    expect(budgetOf(specOf({ tokens: 10 }), items)).toEqual({ tokens: 10 });
  });
});

describe("the next call", () => {
  const spent = log(reply(["a"], { tokens: 100, costUsd: 0.5 }));

  test("may be made as long as something is left, or where there is no budget", () => {
    expect(overBudget(viewOf({ tokens: 101, usd: 0.51 }, { items: spent }))).toBeUndefined();
    expect(overBudget(viewOf(undefined, { items: spent, isPriced: () => false }))).toBeUndefined();
    expect(overBudget(viewOf({ tokens: 101 }, { items: spent, isPriced: () => false }))).toBeUndefined();
  });

  test.each([
    ["tokens", { tokens: 100 }, "the run spent 100 of its 100 tokens: resume it with a larger token budget"],
    ["USD", { usd: 0.5 }, "the run spent 0.5000 of its 0.5 USD: resume it with a larger budget"],
  ])("is not made once the %s are spent, and the sentence says what to do", (_, budget, sentence) => {
    expect(overBudget(viewOf(budget, { items: spent }))).toBe(sentence);
  });

  test.each([
    ["of the model that is to be called", { items: spent, isPriced: () => false }],
    ["of a reply that was paid", { items: log(reply(["a"], { costUsd: null })), isPriced: () => true }],
  ])("is not made on a budget in USD without the price %s", (_, more) => {
    expect(overBudget(viewOf({ usd: 9 }, more))).toBe(
      'the run has a budget in USD and the price of openai/gpt is not known: set models["openai/gpt"].price in the configuration, or use a token budget',
    );
  });

  test("is not made once the batch spent its budget, or when that is in USD and the price is not known", () => {
    const batch = { id: "b1", spent: false, inUsd: false };
    expect(overBudget(viewOf(undefined, { batch, isPriced: () => false }))).toBeUndefined();
    expect(overBudget(viewOf(undefined, { batch: { ...batch, spent: true } }))).toMatch(
      /^the batch b1 spent/,
    );
    const inUsd = { ...batch, inUsd: true };
    expect(overBudget(viewOf(undefined, { batch: inUsd }))).toBeUndefined();
    expect(overBudget(viewOf(undefined, { batch: inUsd, isPriced: () => false }))).toMatch(
      /^the batch b1 has a budget in USD and the price of openai\/gpt is not known/,
    );
  });
});
