/** Small edits of a history, each of which leaves everything else as it would be: what planted breaches are made of. */
import { type Item, type RunEvent, runEventSchema, runIdSchema } from "@baton/core";
import { digestOf } from "./check-digest.ts";
import type { EndedRun, History, SeenEvent } from "./history.ts";

export function runOf(history: History, mark: string): EndedRun {
  const run = history.runs.find((one) => one.mark === mark);
  if (run === undefined) throw new Error(`the history has no run of ${mark}`);
  return run;
}

/** An entry of a history as it must be there: a planted breach that changes nothing would prove nothing. */
export function found<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error("the history has not what is to be broken");
  return value;
}

export function withRun(history: History, mark: string, change: (run: EndedRun) => EndedRun): History {
  runOf(history, mark);
  return { ...history, runs: history.runs.map((run) => (run.mark === mark ? change(run) : run)) };
}

/** The first place of an item with a part of this type. */
export function placeOf(history: History, mark: string, type: Item["parts"][number]["type"]): number {
  const place = runOf(history, mark).items.findIndex((item) => item.parts.some((part) => part.type === type));
  if (place < 0) throw new Error(`the log of ${mark} has no ${type}`);
  return place;
}

/** Puts items where one is; what was sampled is left out, and what is told of places behind follows. */
export function spliceItems(
  history: History,
  mark: string,
  place: number,
  splice: (item: Item) => readonly Item[],
): History {
  const { items, run } = runOf(history, mark);
  const spliced = [...items.slice(0, place), ...splice(found(items[place])), ...items.slice(place + 1)];
  const more = spliced.length - items.length;
  const placed = spliced.map((item, seq) => ({ ...item, seq }));
  return {
    ...withRun(history, mark, (old) => ({ ...old, run: { ...run, items: placed.length }, items: placed })),
    samples: history.samples.filter(({ runId }) => runId !== run.id),
    events: history.events.map((seen) => {
      const event = eventOf(seen);
      if (seen.runId !== run.id || event.type !== "turn" || event.item <= place) return seen;
      return { ...seen, event: { ...event, item: event.item + more } };
    }),
  };
}

export function eventOf({ event }: SeenEvent): RunEvent {
  return runEventSchema.parse(event);
}

interface ReadEvent {
  readonly id: string;
  /** The time that the id holds. */
  readonly at: number;
  readonly event: RunEvent;
}

/** The events of a run, in their order. */
export function eventsOf(history: History, mark: string): readonly ReadEvent[] {
  const { run } = runOf(history, mark);
  return history.events
    .filter(({ runId }) => runId === run.id)
    .map((seen) => ({ id: seen.id, at: Number(seen.id.split("-")[0]), event: eventOf(seen) }));
}

/** Adds an event of the run right behind the one with this id: of two at one place the later is read as the later. */
export function addEvent(history: History, mark: string, id: string, event: RunEvent): History {
  const [entry = "", index = "0"] = id.split(".");
  const added = { runId: runOf(history, mark).run.id, id: `${entry}.${Number(index) + 1}`, event };
  return { ...history, events: [...history.events, added] };
}

/** A moment at which the run is at work, and after which nothing happens in the same millisecond. */
export function momentAtWork(history: History, mark: string): number {
  const events = eventsOf(history, mark);
  let isAtWork = false;
  for (const [place, { at, event }] of events.entries()) {
    if (event.type === "phase") isAtWork = true;
    if (event.type === "handoff" || event.type === "status") isAtWork = false;
    if (isAtWork && at < (events[place + 1]?.at ?? 0)) return at;
  }
  throw new Error(`${mark} was never at work for a millisecond`);
}

/** Makes all that the run did after `at` so many milliseconds later, and the end of the history too. */
export function delayed(history: History, mark: string, at: number, ms: number): History {
  const { id } = runOf(history, mark).run;
  const later = (time: number) => (time > at ? time + ms : time);
  return {
    ...withRun(history, mark, (ended) => ({
      ...ended,
      run: { ...ended.run, updatedAt: later(ended.run.updatedAt) },
    })),
    endedAt: history.endedAt + ms,
    purchases: history.purchases.map((one) =>
      one.mark !== mark
        ? one
        : { ...one, at: later(one.at), ...(one.soldAt === undefined ? {} : { soldAt: later(one.soldAt) }) },
    ),
    toolRuns: history.toolRuns.map((one) => (one.mark === mark ? { ...one, at: later(one.at) } : one)),
    samples: history.samples.map((one) => (one.runId === id ? { ...one, at: later(one.at) } : one)),
    events: history.events.map((one) => {
      const [time = "", rest = ""] = one.id.split("-");
      return one.runId === id ? { ...one, id: `${later(Number(time))}-${rest}` } : one;
    }),
  };
}

/** The same run once more, as `copy`, with an id of its own. */
export function copied(history: History, mark: string, copy: string): History {
  const original = runOf(history, mark);
  const id = runIdSchema.parse(`${original.run.id.slice(0, -3)}ZZZ`);
  const isOriginal = (one: { readonly runId: string }) => one.runId === original.run.id;
  const rename = <Value extends object>(value: Value) => ({ ...value, runId: id });
  const ofMark = <Value extends { readonly mark: string }>(all: readonly Value[]) =>
    copy === mark ? [] : all.filter((one) => one.mark === mark).map((one) => ({ ...one, mark: copy }));
  return {
    ...history,
    runs: [...history.runs, { ...original, mark: copy, run: { ...original.run, id } }],
    samples: [...history.samples, ...history.samples.filter(isOriginal).map(rename)],
    events: [...history.events, ...history.events.filter(isOriginal).map(rename)],
    purchases: [...history.purchases, ...ofMark(history.purchases)],
    toolRuns: [...history.toolRuns, ...ofMark(history.toolRuns)],
    acts: [...(history.acts ?? []), ...ofMark(history.acts ?? [])],
    submissions: [
      ...history.submissions,
      ...ofMark(history.submissions).map((one) => ({
        ...one,
        idempotencyKey: `key-${copy}`,
        ...(one.did === "accepted" ? { runId: id } : {}),
      })),
    ],
  };
}

/** The run was seen at `at`, still at work, with one item more than it ends with. */
export function seenLonger(history: History, mark: string, at: number): History {
  const { run, items } = runOf(history, mark);
  const others = history.samples.filter(({ runId }) => runId !== run.id);
  const digests = [...items.map(digestOf), "gone"];
  const { id: runId, epoch, ticket } = run;
  return {
    ...history,
    samples: [...others, { at, runId, epoch: epoch - 1, ticket, status: "running", digests }],
  };
}
