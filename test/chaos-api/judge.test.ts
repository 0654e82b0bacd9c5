/** The judge of chaos through the API: silent where all is well, and each breach that is planted is named by its check. */
import { expect, test } from "vitest";
import { checkHistory } from "../chaos/checker.ts";
import type { EndedRun, History } from "../chaos/history.ts";
import { cleanHistory } from "../chaos/planted-history.ts";
import { isBehindOthers } from "./check-answers.ts";
import { CHECKS, type Check, judge } from "./judge.ts";
import { cleanStories, frameOf, lastText } from "./planted-stories.ts";
import type { Answer, ApiStories, Exchange, Watched } from "./stories.ts";
import { submittedHistory } from "./submitted-history.ts";

interface Planted {
  readonly check: Check;
  readonly what: string;
  readonly stories?: (clean: ApiStories) => ApiStories;
  readonly history?: (clean: History) => History;
}

const withAnswer = (outcome: Answer["outcome"]) => (clean: ApiStories) => ({
  ...clean,
  answers: clean.answers.map((one) => (one.kind === "chat_stream" ? { ...one, outcome } : one)),
});
const withFrames =
  (edit: (frames: Watched["frames"]) => Watched["frames"]) =>
  (clean: ApiStories): ApiStories => ({
    ...clean,
    watched: clean.watched.map((one, place) => (place === 0 ? { ...one, frames: edit(one.frames) } : one)),
  });
const withExchange = (exchange: Partial<Exchange>) => (clean: ApiStories) => ({
  ...clean,
  exchanges: [
    ...clean.exchanges,
    { at: 9, ms: 1, method: "GET", path: "/v1/runs", status: 503, ...exchange },
  ],
});
const withLog = (text: string) => (clean: History) => ({
  ...clean,
  texts: [...clean.texts, { where: "api0.log", text }],
});
const first = (history: History) => history.runs[0] ?? expect.unreachable();
const text = lastText(first(cleanHistory()));
const other = lastText(cleanHistory().runs[1] ?? expect.unreachable());

const PLANTED: readonly Planted[] = [
  {
    check: "answers",
    what: "a client got another run's text",
    stories: withAnswer({ kind: "text", text: other }),
  },
  {
    check: "answers",
    what: "a client got a part of the text",
    stories: withAnswer({ kind: "text", text: text.slice(0, -1) }),
  },
  {
    check: "answers",
    what: "a stream has a part twice",
    stories: withAnswer({ kind: "text", text, streamed: text + text.slice(-4) }),
  },
  {
    check: "answers",
    what: "a stream kept what was void",
    stories: withAnswer({ kind: "text", text: `void\n\n${text}`, streamed: `void\n\n${text}` }),
  },
  {
    check: "answers",
    what: "a client was refused a run that succeeded",
    stories: withAnswer({ kind: "refused", code: "internal" }),
  },
  {
    check: "answers",
    what: "a client has the answer of a run that failed",
    history: (clean) => ({
      ...clean,
      runs: clean.runs.map((one) => (one.mark === first(clean).mark ? failed(one) : one)),
    }),
  },
  { check: "ended", what: "a client gave up", stories: withAnswer({ kind: "gave_up", why: "no answer" }) },
  {
    check: "ended",
    what: "a client was forgotten",
    stories: (clean) => ({ ...clean, answers: clean.answers.filter(({ kind }) => kind === "batch") }),
  },
  {
    check: "keys",
    what: "one key made two runs",
    history: (clean) => ({
      ...clean,
      runs: [...clean.runs, { ...first(clean), run: { ...first(clean).run, id: idOf(7) } }],
    }),
  },
  {
    check: "keys",
    what: "a client was told another's run",
    stories: (clean) => ({
      ...clean,
      watched: clean.watched.map((one) => ({ ...one, mark: "second" })),
    }),
  },
  {
    check: "keys",
    what: "a fork's key made two forks",
    history: (clean) => ({
      ...clean,
      runs: [...clean.runs, forkOf(first(clean), 8), forkOf(first(clean), 9)],
    }),
    stories: (clean) => ({
      ...clean,
      answers: [
        ...clean.answers,
        { ...(clean.answers[0] ?? expect.unreachable()), runId: idOf(8), isFork: true },
      ],
    }),
  },
  {
    check: "watchers",
    what: "a reader saw an event twice",
    stories: withFrames(([one, ...others]) => (one === undefined ? [] : [one, one, ...others])),
  },
  {
    check: "watchers",
    what: "a reader missed an event",
    stories: withFrames((frames) => frames.filter((_, place) => place !== 3)),
  },
  {
    check: "watchers",
    what: "a reader missed the last events",
    stories: withFrames((frames) => frames.slice(0, -3)),
  },
  {
    check: "watchers",
    what: "a reader saw events in another order",
    stories: withFrames(([a, b, ...others]) => (a && b ? [b, a, ...others] : [])),
  },
  {
    check: "watchers",
    what: "an event was told in other words",
    stories: withFrames((frames) =>
      frames.map((frame, place) =>
        place === 0 ? { ...frame, data: frame.data.replace("gpt", "gpd") } : frame,
      ),
    ),
  },
  {
    check: "watchers",
    what: "a snapshot came in the middle",
    stories: (clean) => {
      const snapshot = clean.watched[1]?.frames[0] ?? expect.unreachable();
      return withFrames((frames) => [...frames.slice(0, 2), snapshot, ...frames.slice(2)])(clean);
    },
  },
  {
    check: "watchers",
    what: "a reader was told a problem",
    stories: withFrames((frames) => [...frames, { connection: 1, event: "problem", data: "{}" }]),
  },
  {
    check: "watchers",
    what: "a reader was never told the end",
    stories: (clean) => ({ ...clean, watched: clean.watched.map((one) => ({ ...one, isEnded: false })) }),
  },
  { check: "batches", what: "a line was not told", stories: (clean) => ({ ...clean, lines: [] }) },
  {
    check: "batches",
    what: "a line was told with another's text",
    stories: (clean) => ({ ...clean, lines: clean.lines.map((one) => ({ ...one, text })) }),
  },
  {
    check: "batches",
    what: "a line was told under another run",
    stories: (clean) => ({ ...clean, lines: clean.lines.map((one) => ({ ...one, runId: idOf(7) })) }),
  },
  {
    check: "batches",
    what: "a line of nobody's was told",
    stories: (clean) => ({
      ...clean,
      lines: [...clean.lines, ...clean.lines.map((one) => ({ ...one, customId: "nobody" }))],
    }),
  },
  { check: "statuses", what: "a 500", stories: withExchange({ status: 500, code: "internal" }) },
  {
    check: "statuses",
    what: "a 503 that does not say when to come again",
    stories: withExchange({ code: "redis_unreachable" }),
  },
  {
    check: "statuses",
    what: "a full upload that does not say when to come again",
    stories: withExchange({ path: "/v1/batches", status: 429, code: "rate_limited" }),
  },
  { check: "statuses", what: "a 503 without a code", stories: withExchange({ retryAfter: "1" }) },
  {
    check: "statuses",
    what: "a key that is not known for a moment",
    stories: withExchange({ status: 401, code: "unauthorized" }),
  },
  {
    check: "statuses",
    what: "a run that is not there for a moment",
    stories: withExchange({ status: 404, code: "not_found" }),
  },
  {
    check: "statuses",
    what: "a conflict over a key",
    stories: withExchange({ method: "POST", status: 409, code: "conflict" }),
  },
  {
    check: "statuses",
    what: "an end that the client would ask for again",
    stories: withExchange({ path: "/v1/responses", status: 400, code: "provider_rejected" }),
  },
  ...[
    { streamsOpen: 1 },
    { requestsOpen: 3 },
    { sockets: 40 },
    { rssMb: 900 },
    { requestsOpen: Number.NaN },
  ].map(
    (left): Planted => ({
      check: "idle",
      what: `an API holds ${JSON.stringify(left)}`,
      stories: (clean) => ({ ...clean, idle: clean.idle.map((one) => ({ ...one, ...left })) }),
    }),
  ),
  {
    check: "idle",
    what: "nobody looked",
    stories: (clean) => ({ ...clean, idle: clean.idle.slice(0, 1) }),
  },
  {
    check: "logs",
    what: "a rejection that nobody heard",
    history: withLog("(node:1) UnhandledPromiseRejectionWarning: …"),
  },
  {
    check: "logs",
    what: "listeners that pile up",
    history: withLog("(node:1) MaxListenersExceededWarning: Possible EventTarget memory leak"),
  },
  {
    check: "logs",
    what: "a process that ended by itself",
    stories: (clean) => ({ ...clean, notes: ["api0.1 ended by itself (exit code 1)"] }),
  },
];

test("where all is well the judge is silent", () => {
  const history = cleanHistory();
  expect(judge(cleanStories(history), history)).toEqual([]);
});

test.each(PLANTED)("$check: $what", ({ check, stories, history }) => {
  const clean = cleanHistory();
  const breaches = judge(stories?.(cleanStories(clean)) ?? cleanStories(clean), history?.(clean) ?? clean);
  // One planted thing may break more than one check; its own is among them.
  expect(new Set(breaches.map((one) => one.check))).toContain(check);
});

test("there is a planted breach for each check; those of chains and bounds are in judge-talks.test.ts", () => {
  const checks = new Set<Check>([...PLANTED.map(({ check }) => check), "chains", "bounds"]);
  expect(checks).toEqual(new Set(CHECKS));
});

test("the checks of runs see a run that was forked as if it had not been", () => {
  const clean = cleanHistory();
  const later = { ...(clean.purchases[0] ?? expect.unreachable()), at: clean.endedAt, nonce: "of-the-fork" };
  const fork = forkOf(first(clean), 8);
  const told = { ...fork, run: { ...fork.run, createdAt: clean.endedAt } };
  const forked = { ...clean, runs: [...clean.runs, told], purchases: [...clean.purchases, later] };
  expect(new Set(checkHistory(forked).map(({ invariant }) => invariant))).toContain("R8");
  expect(checkHistory(submittedHistory(forked))).toEqual([]);
});

test("a run that ended before any worker took it is told by its state alone", () => {
  const clean = cleanHistory();
  const stories = cleanStories(clean);
  const [, watched] = stories.watched;
  const [opening] = watched?.frames ?? [];
  if (watched === undefined || opening === undefined) return expect.unreachable();
  const { run } = first(clean);
  const snapshot = { type: "snapshot", epoch: 2, phase: 0, items: [], partialText: "" };
  const ended = { ...snapshot, run: { ...run, status: "cancelled", pausing: false } };
  const last = { connection: 1, ...frameOf("5-0.0", ended) };
  const judged = (frames: Watched["frames"]) =>
    judge({ ...stories, told: [], watched: [{ ...watched, frames }] }, clean).map(({ check }) => check);
  expect(judged([last])).toEqual([]);
  expect(judged([opening, last])).toEqual([]);
  expect(judged([last, opening])).toEqual(["watchers"]);
  expect(judged([opening, last, last])).toEqual(["watchers"]);
});

test("a snapshot may stand for a beginning that nobody told", () => {
  const clean = cleanHistory();
  const stories = cleanStories(clean);
  const now = { ...stories, watched: stories.watched.slice(1).map((one) => ({ ...one, fromStart: true })) };
  expect(judge(now, clean).map(({ check }) => check)).toEqual(["watchers"]);
  const told = now.told.filter(({ runId, id }) => runId !== first(clean).run.id || id !== firstIdOf(clean));
  expect(judge({ ...now, told }, clean)).toEqual([]);
});

test("long words on the way may stand before the answer, whole and in order, and nothing else", () => {
  const replies = ["I go on.", "And on.", "It is so."];
  expect(isBehindOthers("It is so.", replies)).toBe(true);
  expect(isBehindOthers("I go on.\n\nIt is so.", replies)).toBe(true);
  expect(isBehindOthers("I go on.\n\nAnd on.\n\nIt is so.", replies)).toBe(true);
  expect(isBehindOthers("I go on.\n\nAnd on.", [...replies.slice(0, 2), ""])).toBe(true);
  expect(isBehindOthers("I go", [...replies.slice(0, 2), ""])).toBe(false);
  expect(isBehindOthers("And on.\n\nI go on.\n\nIt is so.", replies)).toBe(false);
  expect(isBehindOthers("I go\n\nIt is so.", replies)).toBe(false);
  expect(isBehindOthers("I go on.It is so.", replies)).toBe(false);
  expect(isBehindOthers("I go on.\n\nI go on.\n\nIt is so.", replies)).toBe(false);
});

function idOf(number: number): EndedRun["run"]["id"] {
  const id = `r_0_${String(number).padStart(26, "0")}`;
  // It has the form of an id.
  return id as EndedRun["run"]["id"];
}

function failed(one: EndedRun): EndedRun {
  const error = { code: "internal", message: "" };
  return { ...one, run: { ...one.run, status: "failed", error } as EndedRun["run"] };
}

function forkOf(of: EndedRun, number: number): EndedRun {
  const { run } = of;
  return { ...of, run: { ...run, id: idOf(number), forkedFrom: { run: run.id, items: 1 } } };
}

function firstIdOf(history: History): string {
  return history.events.find(({ runId }) => runId === first(history).run.id)?.id ?? "";
}
