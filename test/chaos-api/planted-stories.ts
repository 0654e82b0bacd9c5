/** Stories of clients in which all is well, put together by hand over a small history: what the judge's own tests break. */
import { runEventSchema, textOf, wireEvent } from "@baton/core";
import { isReply } from "../chaos/check-story.ts";
import type { EndedRun, History } from "../chaos/history.ts";
import type { Answer, ApiStories, Watched } from "./stories.ts";

export const BATCH = "batch-1";

export function cleanStories(history: History): ApiStories {
  const [first, second] = history.runs;
  if (first === undefined || second === undefined) throw new Error("the history has two runs");
  return {
    planned: [
      { mark: first.mark, kind: "chat_stream" },
      { mark: second.mark, kind: "batch", batch: BATCH },
    ],
    bounds: new Map(),
    answers: [
      {
        ...answerOf(first, "chat_stream"),
        outcome: { kind: "text", text: lastText(first), streamed: lastText(first) },
      },
      answerOf(second, "batch"),
    ],
    exchanges: [
      { at: 1, ms: 5, method: "POST", path: "/v1/runs", status: 202 },
      { ...AWAY, code: "redis_unreachable" },
      { ...AWAY, code: "shutting_down" },
      {
        ...{ at: 3, ms: 5, method: "POST", path: "/v1/chat/completions", status: 400 },
        ...{ code: "provider_rejected", shouldRetry: "false" },
      },
      {
        ...{ at: 3, ms: 5, method: "POST", path: "/v1/runs/r/cancel", status: 409 },
        code: "not_possible",
      },
    ],
    watched: [watchedFrom(history, first), watchedNow(history, first)],
    told: history.events.map(({ runId, id, event }) => ({ runId, id, event })),
    lines: [
      {
        ...{ batch: BATCH, customId: second.mark, runId: second.run.id },
        ...{ status: "succeeded", text: lastText(second) },
      },
    ],
    idle: [
      { api: "api0", when: "start", requestsOpen: 1, streamsOpen: 0, sockets: 5, rssMb: 120 },
      { api: "api0", when: "end", requestsOpen: 1, streamsOpen: 0, sockets: 5, rssMb: 180 },
    ],
    notes: [],
  };
}

const AWAY = { at: 2, ms: 5, method: "GET", path: "/v1/runs/r", status: 503, retryAfter: "1" } as const;

function answerOf(ended: EndedRun, kind: Answer["kind"]): Answer {
  const { mark, run } = ended;
  const outcome = { kind: "text" as const, text: lastText(ended) };
  return { at: 1, endedAt: 9, kind, mark, runId: run.id, isFork: false, asks: 1, outcome };
}

export function lastText({ items }: EndedRun): string {
  return textOf(items.findLast(isReply) ?? { parts: [] });
}

/** Cut once, in the middle. */
function watchedFrom(history: History, { mark, run }: EndedRun): Watched {
  const events = history.events.filter(({ runId }) => runId === run.id);
  const frames = events.map(({ id, event }, place) => ({
    connection: place < events.length / 2 ? 0 : 1,
    ...frameOf(id, event),
  }));
  const end = { connection: 1, event: "end", data: '{"status":"succeeded"}' };
  return { mark, runId: run.id, fromStart: true, frames: [...frames, end], isEnded: true };
}

/** From the third event on, behind a snapshot of what was before. */
function watchedNow(history: History, ended: EndedRun): Watched {
  const { frames, ...watched } = watchedFrom(history, ended);
  const [, second, ...rest] = frames;
  const { run, items } = ended;
  const status = "running" as const;
  const now = { ...run, status, pausing: false, endedAt: undefined };
  const snapshot = {
    type: "snapshot",
    epoch: 2,
    phase: 0,
    run: now,
    items: items.slice(0, 1),
    partialText: "",
  };
  const first = { connection: 0, ...frameOf(second?.id ?? "", snapshot) };
  return { ...watched, fromStart: false, frames: [first, ...rest] };
}

export function frameOf(id: string, event: unknown): { id: string; event: string; data: string } {
  const wire = wireEvent(runEventSchema.parse(event));
  return { id, event: wire.type, data: JSON.stringify(wire) };
}
