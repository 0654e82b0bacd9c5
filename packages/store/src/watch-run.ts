/**
 * Watching a run: its events from an id on, without gap or duplicate. Where the id cannot be found in the
 * stream (trimmed, expired, or Redis lost its last writes), the first event is a `snapshot` and watching goes on
 * from there; so it is when the place is lost while watching. It ends when the run is terminal and all was told.
 */
import { abortable, isTerminal, type RunId, type StampedEvent } from "@baton/core";
import type { Codec } from "./codec.ts";
import type { EventHub, Reading } from "./event-hub.ts";
import { runKeys } from "./keys.ts";
import { glanceAt } from "./read-run.ts";
import type { RedisClient } from "./redis-client.ts";
import type { SharedAnswers } from "./shared-answers.ts";
import { readEntry } from "./take-snapshot.ts";

const BATCH = 200;
const START = "0-0";
/** An entry's id and, behind a dot, the place of an event in the entry. */
const EVENT_ID = /^\d{1,15}-\d{1,15}(\.\d{1,9})?$/;

export interface WatchOptions {
  /** Go on after this event id; absent: begin with a snapshot. `0-0`: from the beginning of the run. */
  readonly after?: string | undefined;
}

/** What a watch reads of; the ledger is one. */
export interface WatchSource {
  readonly redis: RedisClient;
  readonly codec: Codec;
  snapshot(id: RunId): Promise<StampedEvent>;
}

/** The events of a run. Throws `not_found` when there is no such run. An abort ends it at once, also while Redis is away. */
export async function* watchRun(
  source: WatchSource,
  hub: EventHub,
  id: RunId,
  options: WatchOptions,
  signal: AbortSignal,
): AsyncGenerator<StampedEvent, void, void> {
  try {
    yield* watchOn(source, hub, id, options, signal);
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  }
}

async function* watchOn(
  source: WatchSource,
  hub: EventHub,
  id: RunId,
  options: WatchOptions,
  signal: AbortSignal,
): AsyncGenerator<StampedEvent, void, void> {
  await using subscription = await hub.subscribe(id, signal);
  // All watchers of a run are woken at once, and most have come equally far: what they ask, they ask together.
  const together = <Answer>(answers: SharedAnswers<Answer>, what: string, ask: () => Promise<Answer>) =>
    abortable(answers.get(`${id} ${subscription.mark} ${what}`, ask), signal);
  let last = (await abortable(canContinue(source, id, options.after), signal)) ? options.after : undefined;
  while (!signal.aborted) {
    const from = last;
    const read = from && (await together(hub.readings, from, () => readAfter(source, id, from)));
    if (!read) {
      const snapshot = await together(hub.snapshots, "", () => source.snapshot(id));
      yield snapshot;
      if (snapshot.event.type === "snapshot" && isTerminal(snapshot.event.run.status)) return;
      last = snapshot.id;
      continue;
    }
    yield* read.events;
    last = read.last;
    if (read.full) continue;
    const end = read.events.at(-1)?.event;
    const mayBeOver = end === undefined || (end.type === "status" && isTerminal(end.status));
    // A retry may have put more behind the end; otherwise the story is told.
    if (mayBeOver && (await together(hub.ends, read.last, () => isOver(source, id, read.last)))) return;
    await subscription.wait(signal);
  }
}

/** Whether a watch can begin at `after`; whether it still is in the stream is seen when it is read from. */
async function canContinue(
  { redis, codec }: WatchSource,
  id: RunId,
  after: string | undefined,
): Promise<boolean> {
  if (after === undefined || !EVENT_ID.test(after)) return false;
  if (after !== START) return true;
  // Asked in this order: a stream outlives its run's end, so one that is empty after this was never written to.
  const status = (await glanceAt(redis, id))?.status;
  const [first] = await redis.xrange(runKeys(id).events, "-", "+", "COUNT", 1);
  if (first === undefined) return status !== undefined && !isTerminal(status);
  const event = readEntry(codec, id, first)[0]?.event;
  return event?.type === "phase" && event.attempt === 1 && event.phase === 0;
}

/**
 * The events behind `last`. Its entry is read again: where it is missing, the stream was trimmed past it, ended, or
 * went back, and what stands there does not continue what was told. Then the reply is undefined.
 */
async function readAfter(
  { redis, codec }: WatchSource,
  id: RunId,
  last: string,
): Promise<Reading | undefined> {
  // Without a place in the entry, all of it was told.
  const [entryId = "", index] = last.split(".");
  const entries = await redis.xrange(runKeys(id).events, entryId, "+", "COUNT", BATCH + 1);
  if (entryId !== START && entries[0]?.[0] !== entryId) return undefined;
  const events = entries.flatMap((entry) => {
    if (entry[0] !== entryId) return readEntry(codec, id, entry);
    return index === undefined ? [] : readEntry(codec, id, entry).slice(Number(index) + 1);
  });
  return { events, last: entries.at(-1)?.[0] ?? last, full: entries.length > BATCH };
}

/** Whether the run is terminal and nothing is behind `last`. Asked in this order: an end is told as it happens. */
async function isOver(source: WatchSource, id: RunId, last: string): Promise<boolean> {
  const glance = await glanceAt(source.redis, id);
  if (glance !== undefined && !isTerminal(glance.status)) return false;
  return (await readAfter(source, id, last))?.events.length === 0;
}
