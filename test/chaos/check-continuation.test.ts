/** A run that goes on from another's conversation has that one's items in its log, and is judged by what it did itself. */
import { type Item, runIdSchema } from "@baton/core";
import { expect, test } from "vitest";
import { checkHistory } from "./checker.ts";
import type { History } from "./history.ts";
import { runOf } from "./planted-edits.ts";
import { cleanHistory, GPT } from "./planted-history.ts";

const invariantsOf = (history: History) => new Set(checkHistory(history).map(({ invariant }) => invariant));

test("what it took over is not held against it: replies, a retry, an answer in the middle", () => {
  expect(checkHistory(withContinuation(cleanHistory()))).toEqual([]);
});

test("a turn too many of its own is", () => {
  expect(invariantsOf(withContinuation(cleanHistory(), { turns: 2 }))).toEqual(new Set(["R7"]));
});

test("a reply of its own that nobody sold is", () => {
  expect(invariantsOf(withContinuation(cleanHistory(), { nonce: "thirdx1" }))).toEqual(new Set(["R5"]));
});

/** A third run, which takes the second one up with all that is in its log: a retry, and a reply of its own phase. */
function withContinuation(history: History, { turns = 1, nonce = "thirdx0" } = {}): History {
  const of = runOf(history, "second");
  const [submission] = history.submissions.filter(({ mark }) => mark === "second");
  if (submission === undefined) return expect.unreachable();
  const { length } = of.items;
  const last = of.items.at(-1) ?? expect.unreachable();
  const id = runIdSchema.parse(`r_0_${"3".padStart(26, "0")}`);
  const at = history.endedAt - 10_000;
  const bought = {
    mark: "third",
    nonce,
    replies: 0,
    model: GPT,
    api: "openai-responses",
  } as const;
  const items = [
    ...of.items.map((item) => ({ ...item, epoch: 0 })),
    { ...last, role: "user" as const, parts: [{ type: "text" as const, text: "third" }], epoch: 0, at },
    { ...last, parts: [{ type: "text" as const, text: "said thirdx0" }], epoch: 2, at: at + 2 },
  ].map((item, seq) => (item.role === "user" ? { ...withoutReply(item), seq } : { ...item, seq }));
  const [phase] = of.run.phases;
  if (phase === undefined) return expect.unreachable();
  const run = {
    ...of.run,
    ...{
      id,
      epoch: 3,
      items: items.length,
      turns,
      createdAt: at,
      forkedFrom: { run: of.run.id, items: length },
    },
    phases: [{ ...phase, turns }],
  };
  const told = { pid: 1, mark: "third", idempotencyKey: "key-third" };
  return {
    ...history,
    runs: [...history.runs, { ...of, mark: "third", run, items }],
    purchases: [...history.purchases, { ...bought, at: at + 1, soldAt: at + 2 }],
    submissions: [
      ...history.submissions,
      { ...told, at: at - 1, did: "asked" },
      { ...told, at, did: "accepted", runId: id },
    ],
  };
}

function withoutReply({ origin: _, usage: __, stopReason: ___, ...item }: Item): Item {
  return item;
}
