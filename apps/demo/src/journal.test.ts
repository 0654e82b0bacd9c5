import { expect, test } from "vitest";
import { comparePurchases, fingerprintOf, type JournalEntry } from "./journal.ts";

function sold(...entries: readonly (readonly [responseId: string, fingerprint: string])[]): JournalEntry[] {
  return entries.map(([responseId, fingerprint], index) => ({
    number: index + 1,
    at: 0,
    model: "gpt-5.2",
    step: "search",
    responseId,
    fingerprint,
  }));
}

test("replies that were all written are bought once", () => {
  const purchases = comparePurchases(sold(["a", "1"], ["b", "2"]), ["a", "b"]);
  expect(purchases).toEqual({ sold: 2, written: 2, lost: 0, boughtAgain: 0, unknown: 0 });
});

test("a reply that a crash lost may be bought again", () => {
  const purchases = comparePurchases(sold(["a", "1"], ["b", "1"]), ["b"]);
  expect(purchases).toEqual({ sold: 2, written: 1, lost: 1, boughtAgain: 0, unknown: 0 });
});

test("a reply that was written and is bought again is counted", () => {
  const purchases = comparePurchases(sold(["a", "1"], ["b", "1"], ["c", "1"]), ["a"]);
  expect(purchases).toEqual({ sold: 3, written: 1, lost: 2, boughtAgain: 2, unknown: 0 });
});

test("a reply in the ledger that nobody sold is told", () => {
  expect(comparePurchases(sold(["a", "1"]), ["a", "z"]).unknown).toBe(1);
});

test("a fingerprint tells requests apart by model, conversation and tools", () => {
  const request = { model: "m", messages: [{ role: "user" as const, content: "x" }] };
  const tool = { type: "function" as const, function: { name: "t" } };
  const prints = [
    request,
    { ...request, model: "n" },
    { ...request, messages: [{ role: "user" as const, content: "y" }] },
    { ...request, tools: [tool] },
  ].map(fingerprintOf);
  expect(new Set(prints).size).toBe(4);
  expect(fingerprintOf({ ...request, stream: true })).toBe(prints[0]);
});
