/**
 * A small world in which all is well, put together by hand: conversations that go on from run to run, and keys that are
 * bounded. What the judge's own tests break.
 */
import { type Item, type NewItem, type Part, type Run, type RunSpec, runIdSchema, textOf } from "@baton/core";
import { isReply } from "../chaos/check-story.ts";
import type { EndedRun, History, Submission } from "../chaos/history.ts";
import { CALLER_TOOL } from "../chaos/jobs.ts";
import { CLAUDE, cleanHistory, GPT } from "../chaos/planted-history.ts";
import { questionOf, resultOf } from "./plan.ts";
import type { Answer, ApiStories, Exchange, Planned, Told } from "./stories.ts";

/** What makes a judge's breach out of a world in which all is well. */
export interface TalkWorld {
  readonly stories: ApiStories;
  readonly history: History;
}

const START = 1_700_000_000_000;
const TOOLS: NonNullable<RunSpec["tools"]> = [
  { type: "function", function: { name: CALLER_TOOL, parameters: { type: "object" } } },
];

export function talkWorld(): TalkWorld {
  const asks = runOf("asks", 1, [say("asks"), reply("Wait.", [callerCall("c1"), callerCall("c2")])], {
    spec: { tools: TOOLS, client_tools: "end" },
  });
  const told = runOf("told", 2, [...asks.items, result("c1", 0), result("c2", 1), reply("So it is.")], {
    run: { forkedFrom: { run: asks.run.id, items: asks.items.length } },
    spec: { tools: TOOLS, client_tools: "end" },
  });
  const river = runOf("river", 3, [say("river"), reply("The Elbe.")]);
  const said: NewItem = { role: "assistant", parts: [text("The Elbe.")] };
  const question: NewItem = { role: "user", parts: [text(questionOf("sea"))] };
  const sea = runOf("sea", 4, [say("river"), said, question, reply("The North Sea.")], {
    run: { metadata: { mark: "sea", previous_response_id: `resp_${river.run.id}` } },
  });
  const plain = [
    runOf("rated", 5, [say("rated"), reply("Yes.")]),
    ...["crowd-1", "crowd-2", "crowd-3"].map((mark, place) =>
      runOf(mark, 6 + place, [say(mark), reply("Yes.")]),
    ),
    runOf("poor-1", 9, [say("poor-1"), reply("Yes.")]),
  ];
  const runs = [asks, told, river, sea, ...plain];
  return { stories: storiesOf(runs), history: historyOf(runs) };
}

function storiesOf(runs: readonly EndedRun[]): ApiStories {
  const planned: readonly Planned[] = [
    { mark: "asks", kind: "chat_tools" },
    { mark: "told", kind: "chat_tools", after: "asks" },
    { mark: "river", kind: "responses_chain" },
    { mark: "sea", kind: "responses_chain", after: "river" },
    { mark: "rated", kind: "rated", key: "rated" },
    ...["crowd-1", "crowd-2", "crowd-3"].map((mark): Planned => ({ mark, kind: "crowded", key: "crowd" })),
    ...["poor-1", "poor-2"].map((mark): Planned => ({ mark, kind: "budgeted", key: "poor" })),
  ];
  const refused = { kind: "refused" as const, code: "budget" };
  return {
    planned,
    bounds: new Map([
      ["rated", { kind: "rpm", perMinute: 30 }],
      ["crowd", { kind: "max_live", runs: 2 }],
      ["poor", { kind: "budget", tokens: 100 }],
    ]),
    answers: [
      ...runs.map((one) => answerOf(one, planned)),
      { at: 1, endedAt: 9, kind: "budgeted", mark: "poor-2", isFork: false, asks: 1, outcome: refused },
    ],
    exchanges: [...ratedExchanges(), ...boundedExchanges()],
    told: [
      ...toldOf(runs, "crowd-1", 1_000, 5_000),
      ...toldOf(runs, "crowd-2", 1_000, 6_000),
      ...toldOf(runs, "crowd-3", 5_000, 9_000),
      ...toldOf(runs, "poor-1", 1_000, 3_000),
    ],
    ...{ watched: [], lines: [], notes: [] },
    idle: [{ api: "api0", when: "end", requestsOpen: 1, streamsOpen: 0, sockets: 5, rssMb: 180 }],
  };
}

/** A second apart from one another in two: as many as may be asked at once, then what a minute gives. */
function ratedExchanges(): readonly Exchange[] {
  const asked = Array.from({ length: 33 }, (_, place) => exchangeOf("rated", 200 * place, { method: "GET" }));
  const refused = exchangeOf("rated", 6_700, { method: "GET", ...RATE });
  return [...asked, refused, exchangeOf("rated", 8_800, { method: "GET" })];
}

function boundedExchanges(): readonly Exchange[] {
  return [
    exchangeOf("crowd", 900, {}),
    exchangeOf("crowd", 2_000, RATE),
    exchangeOf("poor", 900, {}),
    exchangeOf("poor", 4_000, {
      path: "/v1/chat/completions",
      status: 402,
      code: "budget",
      shouldRetry: "false",
    }),
  ];
}

export const RATE = { status: 429, code: "rate_limited", retryAfter: "2" } as const;

/** `atMs` from the start. */
export function exchangeOf(key: string, atMs: number, more: Partial<Exchange>): Exchange {
  return { at: START + atMs, ms: 5, method: "POST", path: "/v1/runs", status: 200, key, ...more };
}

/** A worker took it, a reply was written and it was over; times from the start. */
function toldOf(runs: readonly EndedRun[], mark: string, fromMs: number, toMs: number): readonly Told[] {
  const runId = idOf(runs, mark);
  const at = { epoch: 2, phase: 0, model: GPT };
  return [
    { type: "phase", attempt: 1, takeover: false },
    { type: "turn", item: 1, stopReason: "end", usage: usageOf(60, 60) },
    { type: "status", status: "succeeded" },
  ].map((event, place) => ({
    runId,
    id: `${START + (place === 0 ? fromMs : toMs)}-${place}.0`,
    event: { ...event, ...at, epoch: event.type === "status" ? 3 : 2 },
  }));
}

function historyOf(runs: readonly EndedRun[]): History {
  const asked = ({ mark }: { readonly mark: string }, atMs: number): Submission => ({
    ...{ at: START + atMs, pid: 1, mark, idempotencyKey: mark, did: "asked" },
  });
  const submissions = runs.map((one) => asked(one, one.mark === "crowd-3" ? 4_900 : 900));
  return { ...cleanHistory(), runs, submissions, faults: [], texts: [] };
}

function answerOf({ mark, run, items }: EndedRun, planned: readonly Planned[]): Answer {
  const last = items.findLast(isReply)?.parts ?? [];
  const calls = last.flatMap((part, place) =>
    part.type === "tool_call"
      ? [{ id: `call_${place}`, name: part.name, arguments: '{"question": "?"}' }]
      : [],
  );
  const told = { text: textOf({ parts: last }) };
  const outcome: Answer["outcome"] =
    calls.length > 0 ? { kind: "calls", ...told, calls } : { kind: "text", ...told };
  const kind = planned.find((one) => one.mark === mark)?.kind ?? "chat";
  return { at: 1, endedAt: 9, kind, mark, runId: run.id, isFork: false, asks: 1, outcome };
}

interface Edits {
  readonly run?: Partial<Run>;
  readonly spec?: Partial<RunSpec>;
}

export function runOf(mark: string, number: number, items: readonly NewItem[], edits: Edits = {}): EndedRun {
  const [first] = cleanHistory().runs;
  if (first === undefined) throw new Error("the history has a run");
  const id = runIdSchema.parse(`r_0_${String(number).padStart(26, "0")}`);
  const whole = items.map((item, seq): Item => ({ v: 1, phase: 0, epoch: 2, at: START, ...item, seq }));
  const { forkedFrom: _, ...run } = first.run;
  return {
    mark,
    // The edits keep to one status.
    run: { ...run, id, createdAt: START + 900, items: whole.length, ...edits.run } as Run,
    spec: { model: [GPT, CLAUDE], input: `the work of ${mark}`, ...edits.spec },
    items: whole,
  };
}

export function idOf(runs: readonly EndedRun[], mark: string): string {
  return runs.find((one) => one.mark === mark)?.run.id ?? "";
}

function text(said: string) {
  return { type: "text" as const, text: said };
}

function say(mark: string): NewItem {
  return { role: "user", parts: [text(`the work of ${mark}`)] };
}

export function reply(said: string, calls: readonly Part[] = []): NewItem {
  const origin = { provider: "openai", api: "openai-responses" as const, model: GPT };
  return { role: "assistant", parts: [text(said), ...calls], origin, usage: usageOf(60, 60) };
}

function usageOf(inputTokens: number, outputTokens: number) {
  return { inputTokens, outputTokens, cachedInputTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 };
}

function callerCall(callId: string): Part {
  return {
    type: "tool_call",
    callId,
    name: CALLER_TOOL,
    arguments: { kind: "object", value: { question: "?" } },
  };
}

function result(callId: string, place: number): NewItem {
  const content = [text(resultOf("told", place))];
  return {
    role: "tool",
    parts: [{ type: "tool_result", callId, name: CALLER_TOOL, isError: false, content }],
  };
}
