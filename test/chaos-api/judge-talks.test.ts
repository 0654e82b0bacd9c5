/** The judge of conversations that go on and of bounded keys: silent where all is well, and each planted breach is named. */
import { expect, test } from "vitest";
import type { EndedRun } from "../chaos/history.ts";
import { type Check, judge } from "./judge.ts";
import { exchangeOf, RATE, reply, runOf, type TalkWorld, talkWorld } from "./planted-talks.ts";
import type { Answer, Exchange } from "./stories.ts";

interface Planted {
  readonly check: Check;
  readonly what: string;
  readonly plant: (world: TalkWorld) => TalkWorld;
}

const withRun =
  (mark: string, edit: (one: EndedRun) => EndedRun) =>
  ({ stories, history }: TalkWorld): TalkWorld => ({
    stories,
    history: { ...history, runs: history.runs.map((one) => (one.mark === mark ? edit(one) : one)) },
  });
const withItems = (mark: string, edit: (items: EndedRun["items"]) => EndedRun["items"]) =>
  withRun(mark, (one) => ({ ...one, items: edit(one.items) }));
const withExchanges =
  (...more: readonly Exchange[]) =>
  ({ stories, history }: TalkWorld): TalkWorld => ({
    stories: { ...stories, exchanges: [...stories.exchanges, ...more] },
    history,
  });
const withAnswer =
  (mark: string, edit: (one: Answer) => Answer) =>
  ({ stories, history }: TalkWorld): TalkWorld => ({
    stories: { ...stories, answers: stories.answers.map((one) => (one.mark === mark ? edit(one) : one)) },
    history,
  });
/** Moves what was told of a run, in milliseconds. */
const withTimes =
  (mark: string, edit: (at: number, place: number) => number) =>
  ({ stories, history }: TalkWorld): TalkWorld => {
    const id = history.runs.find((one) => one.mark === mark)?.run.id;
    const told = stories.told.map((one, place) => {
      const [at = "", rest] = one.id.split("-");
      return one.runId === id ? { ...one, id: `${edit(Number(at), place)}-${rest}` } : one;
    });
    return { stories: { ...stories, told }, history };
  };
const toldCalls = (edit: (calls: Calls) => Calls) =>
  withAnswer("asks", (one) =>
    one.outcome.kind === "calls"
      ? { ...one, outcome: { ...one.outcome, calls: edit(one.outcome.calls) } }
      : one,
  );
type Calls = Extract<Answer["outcome"], { kind: "calls" }>["calls"];

const CHAINS: readonly Planted[] = [
  {
    check: "chains",
    what: "results were brought to a run that begins anew",
    plant: withRun("told", (one) => {
      const { forkedFrom: _, ...run } = one.run;
      return { ...one, run };
    }),
  },
  {
    check: "chains",
    what: "not all of the run before was taken up",
    plant: withItems("asks", (items) => [...items, ...items.slice(-1)]),
  },
  {
    check: "chains",
    what: "what was taken up was changed on the way",
    plant: withItems("told", (items) =>
      items.map((item, seq) => (seq === 0 ? { ...item, parts: [{ type: "text", text: "else" }] } : item)),
    ),
  },
  {
    check: "chains",
    what: "a call has no result",
    plant: withItems("told", (items) => items.filter((_, seq) => seq !== 3)),
  },
  {
    check: "chains",
    what: "a call has two results",
    plant: withItems("told", (items) => [...items.slice(0, 4), ...items.slice(3)]),
  },
  {
    check: "chains",
    what: "two calls have one another's results",
    plant: withItems("told", (items) => {
      const [first, second] = [items[2]?.parts[0], items[3]?.parts[0]];
      if (first?.type !== "tool_result" || second?.type !== "tool_result") return expect.unreachable();
      return items.map((item, seq) => {
        if (seq === 2) return { ...item, parts: [{ ...first, content: second.content }] };
        return seq === 3 ? { ...item, parts: [{ ...second, content: first.content }] } : item;
      });
    }),
  },
  {
    check: "chains",
    what: "a question came without what was said before it",
    plant: withItems("sea", (items) => items.filter(({ seq }) => seq !== 1)),
  },
  {
    check: "chains",
    what: "a question was lost",
    plant: withItems("sea", (items) => items.filter(({ seq }) => seq !== 2)),
  },
  {
    check: "chains",
    what: "a response does not tell which it goes on from",
    plant: withRun("sea", (one) => ({ ...one, run: { ...one.run, metadata: { mark: "sea" } } })),
  },
  {
    check: "answers",
    what: "a caller was told other arguments",
    plant: toldCalls(([one, ...rest]) => (one === undefined ? [] : [{ ...one, arguments: "{}" }, ...rest])),
  },
  {
    check: "answers",
    what: "a caller was told one of two calls",
    plant: toldCalls((calls) => calls.slice(1)),
  },
  {
    check: "answers",
    what: "two calls have one id",
    plant: toldCalls((calls) => calls.map((one) => ({ ...one, id: "call_0" }))),
  },
  {
    check: "ended",
    what: "a link was forgotten",
    plant: ({ stories, history }) => ({
      stories: { ...stories, answers: stories.answers.filter(({ mark }) => mark !== "told") },
      history,
    }),
  },
  {
    check: "keys",
    what: "a conversation that broke off went on",
    plant: withAnswer("asks", (one) => ({ ...one, outcome: { kind: "refused", code: "provider_rejected" } })),
  },
];

const looks = (count: number, fromMs: number, everyMs: number): readonly Exchange[] =>
  Array.from({ length: count }, (_, place) =>
    exchangeOf("rated", fromMs + everyMs * place, { method: "GET" }),
  );
const BOUNDS: readonly Planted[] = [
  { check: "bounds", what: "a key asks more than it may", plant: withExchanges(...looks(10, 8_900, 20)) },
  {
    check: "bounds",
    what: "a key is refused before it used up what it may",
    plant: withExchanges(exchangeOf("rated", 1_000, { method: "GET", ...RATE })),
  },
  {
    check: "bounds",
    what: "who came when it was told to is refused again",
    plant: ({ stories, history }) => ({
      stories: {
        ...stories,
        exchanges: stories.exchanges.map((one, place) =>
          one.key === "rated" && place === 34 ? { ...one, ...RATE } : one,
        ),
      },
      history,
    }),
  },
  {
    check: "bounds",
    what: "more runs are live at once than may be",
    plant: withTimes("crowd-3", (at) => at - 100),
  },
  {
    check: "bounds",
    what: "a run is refused though there is room",
    plant: withExchanges(exchangeOf("crowd", 8_000, RATE)),
  },
  {
    check: "bounds",
    what: "a run was made when the budget was spent",
    plant: ({ stories, history }) => ({
      stories,
      history: {
        ...history,
        runs: [...history.runs, runOf("poor-2", 10, [reply("Yes.")])],
        submissions: history.submissions.flatMap((one) =>
          one.mark === "poor-1" ? [one, { ...one, mark: "poor-2", at: one.at + 3_000 }] : [one],
        ),
      },
    }),
  },
  {
    check: "bounds",
    what: "a run is refused though there is money",
    plant: withTimes("poor-1", (at) => at + 5_000),
  },
  {
    check: "answers",
    what: "a run that was refused for money is there",
    plant: ({ stories, history }) => ({
      stories,
      history: { ...history, runs: [...history.runs, runOf("poor-2", 10, [reply("Yes.")])] },
    }),
  },
  {
    check: "statuses",
    what: "a rate that does not say when to come again",
    plant: withExchanges(exchangeOf("rated", 6_800, { method: "GET", status: 429, code: "rate_limited" })),
  },
  {
    check: "statuses",
    what: "a look at a run was refused for the runs that there are",
    plant: withExchanges(exchangeOf("crowd", 2_000, { ...RATE, method: "GET" })),
  },
  {
    check: "statuses",
    what: "a budget was asked of a key that has none",
    plant: withExchanges(exchangeOf("nobody", 4_000, { status: 402, code: "budget" })),
  },
  {
    check: "statuses",
    what: "a key without bounds was told to slow down",
    plant: withExchanges({ ...exchangeOf("nobody", 4_000, RATE), path: "/v1/chat/completions" }),
  },
];

test("where all is well the judge is silent", () => {
  const { stories, history } = talkWorld();
  expect(judge(stories, history)).toEqual([]);
});

test.each([...CHAINS, ...BOUNDS])("$check: $what", ({ check, plant }) => {
  const { stories, history } = plant(talkWorld());
  expect(new Set(judge(stories, history).map((one) => one.check))).toContain(check);
});

test("there is a planted breach of conversations and of bounds", () => {
  expect(CHAINS.map(({ check }) => check)).toContain("chains");
  expect(BOUNDS.map(({ check }) => check)).toContain("bounds");
});

test("what was asked while Redis was away is not held against a key", () => {
  const { stories, history } = withExchanges(...looks(10, 8_900, 20))(talkWorld());
  const [first] = stories.exchanges;
  const at = first?.at ?? expect.unreachable();
  const fault = { at, endedAt: at + 9_000, kind: "redis_frozen", target: "redis", inFlight: 0, held: [] };
  expect(judge(stories, { ...history, faults: [fault] })).toEqual([]);
});

test("nobody misses what a conversation that broke off would have gone on with", () => {
  const refused = { kind: "refused" as const, code: "provider_rejected" };
  const { stories, history } = withAnswer("river", (one) => ({ ...one, outcome: refused }))(talkWorld());
  const runs = history.runs
    .filter(({ mark }) => mark !== "sea")
    .map((one) => (one.mark === "river" ? failed(one) : one));
  const answers = stories.answers.filter(({ mark }) => mark !== "sea");
  expect(judge({ ...stories, answers }, { ...history, runs })).toEqual([]);
});

test("a link that was cancelled before its model spoke goes on from all of it, too", () => {
  const cancelled = { kind: "refused" as const, code: "cancelled" };
  const { stories, history } = withAnswer("sea", (one) => ({ ...one, outcome: cancelled }))(talkWorld());
  const runs = history.runs.map((one) =>
    one.mark === "sea" ? { ...failed(one), items: one.items.slice(0, -1) } : one,
  );
  expect(judge(stories, { ...history, runs })).toEqual([]);
});

function failed(one: EndedRun): EndedRun {
  const error = { code: "provider_rejected", message: "" };
  // A run that failed has an error in place of its answer.
  return { ...one, run: { ...one.run, status: "failed", error } as EndedRun["run"] };
}
