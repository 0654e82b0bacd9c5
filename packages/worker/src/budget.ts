/**
 * Budgets: checked before each model call, told from the conversation, where each reply carries its usage and its
 * cost by the price of that time. A run goes over its budget by no more than one call.
 */
import type { Budget, Item, RunSpec } from "@baton/core";
import { addCosts, type BatchState } from "@baton/store";
import { repliesOf, sinceFork } from "./phase-view.ts";

export interface Spent {
  readonly tokens: number;
  /** Null when the price of a reply was not known. */
  readonly usd: number | null;
}

export interface BudgetView {
  readonly spec: RunSpec;
  readonly items: readonly Item[];
  readonly model: string;
  /** Whether the price of the model is known; asked only where a budget turns on it. */
  readonly isPriced: () => boolean;
  readonly batch: BatchState | undefined;
}

/** Why the next call must not be made, in a sentence; undefined when it may. */
export function overBudget(view: BudgetView): string | undefined {
  const budget = budgetOf(view.spec, view.items);
  if (budget.tokens === undefined && budget.usd === undefined && view.batch === undefined) return undefined;
  const spent = spentOf(view.items);
  if (budget.tokens !== undefined && spent.tokens >= budget.tokens) {
    return `the run spent ${spent.tokens} of its ${budget.tokens} tokens: resume it with a larger token budget`;
  }
  if (budget.usd !== undefined) {
    if (spent.usd === null || !view.isPriced()) return unpriced(view.model, "the run");
    if (spent.usd >= budget.usd) {
      return `the run spent ${spent.usd.toFixed(4)} of its ${budget.usd} USD: resume it with a larger budget`;
    }
  }
  if (view.batch?.spent) {
    return `the batch ${view.batch.id} spent its budget: raise the budget of the batch, then resume the run`;
  }
  if (view.batch?.inUsd && !view.isPriced()) return unpriced(view.model, `the batch ${view.batch.id}`);
  return undefined;
}

/** What the run paid for itself: a fork has its first replies from another run. */
export function spentOf(items: readonly Item[]): Spent {
  let spent: Spent = { tokens: 0, usd: 0 };
  for (const { usage, costUsd } of repliesOf(sinceFork(items))) {
    spent = {
      tokens: spent.tokens + (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0),
      usd: addCosts(spent.usd, costUsd ?? null),
    };
  }
  return spent;
}

/** The spec's budget, with what people gave since, which goes over it name by name. */
export function budgetOf(spec: RunSpec, items: readonly Item[]): Budget {
  let budget: Budget = spec.budget ?? {};
  for (const item of sinceFork(items)) {
    for (const part of item.parts) {
      if (part.type !== "record") continue;
      budget = { ...budget, ...numbersOf(part.detail.budget) };
    }
  }
  return budget;
}

function numbersOf(value: unknown): Budget {
  if (typeof value !== "object" || value === null) return {};
  const { tokens, usd } = value as { readonly tokens?: unknown; readonly usd?: unknown };
  return {
    ...(typeof tokens === "number" ? { tokens } : {}),
    ...(typeof usd === "number" ? { usd } : {}),
  };
}

function unpriced(model: string, whose: string): string {
  return `${whose} has a budget in USD and the price of ${model} is not known: set models["${model}"].price in the configuration, or use a token budget`;
}
