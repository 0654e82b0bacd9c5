/**
 * `bounds`: what a bounded key may do it may, and no more, by docs/security.md.
 *
 * - A bound is never passed: not so many requests a minute (while Redis is away or slow each process counts for itself, so
 *   what was asked then is not held against it), not so many runs at once, no run when the budget was spent before it was
 *   asked for. Only what was surely so is counted: what was answered, and what Redis had written.
 * - A refusal has its cause. Here all that may have been so is counted: also what was sent and not answered.
 * - Who comes again when it was told to is let in: each key here has one client.
 */
import { isTerminal, runEventSchema } from "@baton/core";
import { isReply } from "../chaos/check-story.ts";
import type { EndedRun, Fault, History } from "../chaos/history.ts";
import type { Breach } from "./judge.ts";
import type { ApiStories, Bound, Exchange } from "./stories.ts";

const MINUTE_MS = 60_000;
/** A process that waits longer for Redis counts for itself. */
const SLOW_MS = 500;
/** Until all processes are connected again. */
const REST_MS = 5_000;
/** What a killed process set aside counts for so long, and a request waits for it for as long as the rest. */
const LEASE_MS = 15_000 + REST_MS;
/** Who waits longer for room was not told how many there are, but that it cannot be known yet. */
const WAITED_MS = 4_000;

export function checkBounds(stories: ApiStories, history: History): readonly Breach[] {
  return [...stories.bounds].flatMap(([key, bound]) => {
    const exchanges = stories.exchanges.filter((one) => one.key === key).toSorted((a, b) => a.at - b.at);
    const marks = new Set(stories.planned.flatMap((one) => (one.key === key ? [one.mark] : [])));
    const runs = history.runs.filter(({ mark }) => marks.has(mark));
    return wrongWith(bound, { exchanges, runs, stories, history }).map(
      (what): Breach => ({ check: "bounds", where: key, what }),
    );
  });
}

interface Seen {
  /** In the order in which they were sent. */
  readonly exchanges: readonly Exchange[];
  readonly runs: readonly EndedRun[];
  readonly stories: ApiStories;
  readonly history: History;
}

function wrongWith(bound: Bound, seen: Seen): readonly string[] {
  switch (bound.kind) {
    case "rpm":
      return [...overRate(bound.perMinute, seen), ...refusedByRate(bound.perMinute, seen)];
    case "max_live":
      return [...overLive(bound.runs, seen), ...refusedForRoom(bound.runs, seen)];
    case "budget":
      return overBudget(bound.tokens, seen);
  }
}

function overRate(perMinute: number, { exchanges, history }: Seen): readonly string[] {
  const counted = exchanges.filter(
    (one) => isTaken(one) && one.ms < SLOW_MS && !isTroubled(one, history.faults),
  );
  for (const [first, { at }] of counted.entries()) {
    for (const [place, last] of counted.slice(first).entries()) {
      const spanMs = last.at + last.ms - at;
      if (place + 1 > mayTake(perMinute, spanMs) + 1)
        return [`${place + 1} requests within ${spanMs} ms, ${perMinute} a minute are allowed`];
    }
  }
  return [];
}

function refusedByRate(perMinute: number, { exchanges, history }: Seen): readonly string[] {
  return exchanges.flatMap((one, place) => {
    if (one.status !== 429) return [];
    const sent = exchanges.slice(0, place).filter(({ status }) => status !== 429);
    // A request that waited was counted when it was let in, not when it was sent.
    const isUsedUp = sent.some(
      ({ at, ms }, from) => sent.length - from >= mayTake(perMinute, Math.max(0, one.at - at - ms)) - 1,
    );
    const before = exchanges[place - 1];
    const dueAt = (before?.at ?? 0) + (before?.ms ?? 0) + Number(before?.retryAfter ?? 0) * 1_000;
    const cameInTime = before?.status === 429 && one.at >= dueAt && !isTroubled(one, history.faults);
    return [
      ...(isUsedUp ? [] : [`a request was refused behind ${sent.length} others`]),
      ...(cameInTime ? ["a request that came when it was told to was refused again"] : []),
    ];
  });
}

/** A minute's requests at once after a rest, and as many a minute. */
function mayTake(perMinute: number, spanMs: number): number {
  return perMinute * (1 + spanMs / MINUTE_MS);
}

function isTaken({ status }: Exchange): boolean {
  return status !== 0 && status !== 429 && status !== 503;
}

/** Whether a process may have counted for itself: its way to Redis was cut, or Redis was away. */
function isTroubled({ at, ms }: Exchange, faults: readonly Fault[]): boolean {
  return faults.some(
    (fault) =>
      fault.kind.includes("redis") &&
      at + ms >= fault.at - SLOW_MS &&
      at <= (fault.endedAt ?? fault.at) + REST_MS,
  );
}

/** Times at which a run was live; the end is not in it. */
interface Span {
  readonly from: number;
  readonly to: number;
}

function overLive(most: number, { runs, stories, history }: Seen): readonly string[] {
  const spans = runs.flatMap((run) => {
    const told = history.submissions.filter(({ did, runId }) => did === "accepted" && runId === run.run.id);
    return spansOf(run, stories, Math.min(...told.map(({ at }) => at)));
  });
  const worst = Math.max(0, ...spans.map(({ from }) => spans.filter((one) => isWithin(from, one)).length));
  return worst > most ? [`${worst} runs were live at once, ${most} are allowed`] : [];
}

function refusedForRoom(most: number, { exchanges, runs, stories, history }: Seen): readonly string[] {
  const spans = runs.flatMap((run) => spansOf(run, stories, run.run.createdAt));
  return exchanges.flatMap(({ status, at, ms }) => {
    if (status !== 429 || ms >= WAITED_MS) return [];
    const live = spans.filter(({ from, to }) => from <= at + ms && to >= at).length;
    const isHeld = history.faults.some(
      (fault) => fault.at <= at + ms && (fault.endedAt ?? 0) >= at - LEASE_MS,
    );
    return live >= most || isHeld ? [] : [`a run was refused beside ${live} live ones, ${most} are allowed`];
  });
}

/** From when it was there, or a worker took it; until it ended; and again from a retry on. */
function spansOf({ run }: EndedRun, { told }: ApiStories, thereAt: number): readonly Span[] {
  const spans: Span[] = [];
  let from: number | undefined = thereAt;
  for (const { at, event } of eventsOf(run.id, told)) {
    const isEnd = event.type === "status" && isTerminal(event.status);
    if (isEnd && from !== undefined) spans.push({ from, to: at });
    from = isEnd ? undefined : Math.min(from ?? at, at);
  }
  return from === undefined || from === Number.POSITIVE_INFINITY
    ? spans
    : [...spans, { from, to: Number.POSITIVE_INFINITY }];
}

function isWithin(at: number, { from, to }: Span): boolean {
  return from <= at && at < to;
}

function overBudget(tokens: number, { exchanges, runs, stories, history }: Seen): readonly string[] {
  const paid = runs.flatMap(({ run, items }) =>
    eventsOf(run.id, stories.told).flatMap(({ at, event }) => {
      const item = event.type === "turn" ? items[event.item] : undefined;
      const usage = item !== undefined && isReply(item) ? item.usage : undefined;
      return usage === undefined ? [] : [{ at, tokens: usage.inputTokens + usage.outputTokens }];
    }),
  );
  const spentBy = (at: number): number =>
    paid.reduce((sum, one) => (one.at < at ? sum + one.tokens : sum), 0);
  const made = runs.flatMap(({ run, mark }) => {
    const askedAt = Math.min(...history.submissions.filter((one) => one.mark === mark).map(({ at }) => at));
    const spent = spentBy(askedAt);
    return spent < tokens ? [] : [`${run.id} was made when ${spent} of ${tokens} tokens were spent`];
  });
  const refused = exchanges.flatMap(({ status, at, ms }) => {
    const spent = spentBy(at + ms + 1);
    return status !== 402 || spent >= tokens
      ? []
      : [`a run was refused when ${spent} of ${tokens} tokens were spent`];
  });
  return [...made, ...refused];
}

/** With the times at which Redis wrote them. */
function eventsOf(runId: string, told: ApiStories["told"]) {
  return told
    .filter((one) => one.runId === runId)
    .map(({ id, event }) => ({ at: Number(id.split("-")[0]), event: runEventSchema.parse(event) }));
}
