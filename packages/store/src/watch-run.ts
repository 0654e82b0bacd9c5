/**
 * Watching a run: its events from an id on, without gap or duplicate. Where the id cannot be found in the
 * stream (trimmed, expired, or Redis lost its last writes), the first event is a `snapshot` and watching goes on
 * from there. It ends when the run is terminal and all was told.
 */
import { BatonError, isTerminal, type Run, type RunId, runEventSchema, type StampedEvent } from "@baton/core";
import type { Redis } from "ioredis";
import { z } from "zod";
import { readItems } from "./claim-run.ts";
import type { EventHub } from "./event-hub.ts";
import { runKeys } from "./keys.ts";
import { assembleRun, glanceAt, transaction } from "./read-run.ts";

const BATCH = 200;

export interface WatchOptions {
  /** Go on after this event id; absent: begin with a snapshot. `0-0`: from the beginning of the run. */
  readonly after?: string | undefined;
}

/** The events of a run. Throws `not_found` when there is no such run. */
export async function* watchRun(
  redis: Redis,
  hub: EventHub,
  id: RunId,
  options: WatchOptions,
  signal: AbortSignal,
): AsyncGenerator<StampedEvent, void, void> {
  await using subscription = await hub.subscribe(id);
  let last: string = options.after ?? "";
  if (last === "" || !(await continues(redis, id, last))) {
    const snapshot = await takeSnapshot(redis, id);
    yield snapshot;
    if (snapshot.event.type === "snapshot" && isTerminal(snapshot.event.run.status)) return;
    last = snapshot.id;
  }
  while (!signal.aborted) {
    const { events, full } = await readAfter(redis, id, last);
    for (const stamped of events) {
      yield stamped;
      last = stamped.id;
    }
    const end = events.at(-1)?.event;
    // A retry may have put more behind the end; otherwise the story is told.
    if (end?.type === "status" && isTerminal(end.status) && (await isOver(redis, id, last))) return;
    if (full) continue;
    await subscription.wait(signal);
    if (events.length === 0 && (await lostTrack(redis, id, last))) {
      const snapshot = await takeSnapshot(redis, id);
      yield snapshot;
      last = snapshot.id;
      if (snapshot.event.type === "snapshot" && isTerminal(snapshot.event.run.status)) return;
    }
  }
}

/** The whole state at one moment, with the id of the last event that it covers. */
export async function takeSnapshot(redis: Redis, id: RunId): Promise<StampedEvent> {
  const keys = runKeys(id);
  const [fields, phases, spec, log, entries] = await transaction(redis, [
    ["hgetall", keys.run],
    ["lrange", keys.phases, "0", "-1"],
    ["get", keys.spec],
    ["lrange", keys.log, "0", "-1"],
    ["xrange", keys.events, "-", "+"],
  ]);
  const found = assembleRun(id, fields, phases, spec);
  if (found === undefined) {
    throw new BatonError("not_found", `there is no run ${id}: it never was, or its retention has passed`);
  }
  const { run } = found;
  // LRANGE and XRANGE reply arrays of this form by the protocol.
  const events = (entries as StreamEntry[]).flatMap((entry) => readEntry(id, entry));
  return {
    id: events.at(-1)?.id ?? "0-0",
    event: {
      type: "snapshot",
      epoch: run.epoch,
      phase: run.phases.at(-1)?.seq ?? 0,
      run,
      items: readItems(id, log as string[]),
      partialText: openText(run, events),
    },
  };
}

/** The text of the reply that is coming in: the deltas of this epoch since the last written turn. */
function openText(run: Run, events: readonly StampedEvent[]): string {
  let text = "";
  for (const { event } of events) {
    if (event.type === "turn" || event.type === "phase" || event.type === "status") text = "";
    if (event.type === "text" && event.epoch === run.epoch) text += event.text;
  }
  return text;
}

/** Whether `after` is an id of the stream as it is now, or its very beginning while nothing was trimmed. */
async function continues(redis: Redis, id: RunId, after: string): Promise<boolean> {
  if (after === "0-0") {
    const [first] = await redis.xrange(runKeys(id).events, "-", "+", "COUNT", 1);
    if (first === undefined) return (await glanceAt(redis, id))?.status === "queued";
    const event = readEntry(id, first)[0]?.event;
    return event?.type === "phase" && event.attempt === 1 && event.phase === 0;
  }
  const { entry } = splitEventId(after);
  const found = await redis.xrange(runKeys(id).events, entry, entry);
  return found.length === 1;
}

async function isOver(redis: Redis, id: RunId, last: string): Promise<boolean> {
  if ((await readAfter(redis, id, last)).events.length > 0) return false;
  const glance = await glanceAt(redis, id);
  return glance === undefined || isTerminal(glance.status);
}

/** Whether the stream ended or went back while we waited: then only a snapshot tells the truth. */
async function lostTrack(redis: Redis, id: RunId, last: string): Promise<boolean> {
  const { entry } = splitEventId(last);
  const [newest] = await redis.xrevrange(runKeys(id).events, "+", "-", "COUNT", 1);
  if (newest === undefined) return entry !== "0-0";
  return compareEntries(newest[0], entry) < 0;
}

/** A stream entry as Redis replies it: its id, and field and value in turn. */
type StreamEntry = [id: string, fields: string[]];

/** The events behind `last`, from within its entry on; `full` when there may be more. */
async function readAfter(
  redis: Redis,
  id: RunId,
  last: string,
): Promise<{ readonly events: readonly StampedEvent[]; readonly full: boolean }> {
  const { entry, index } = splitEventId(last);
  const from = index === undefined ? `(${entry}` : entry;
  const entries = await redis.xrange(runKeys(id).events, from, "+", "COUNT", BATCH);
  const events = entries.flatMap((one) => {
    const told = one[0] === entry && index !== undefined ? index + 1 : 0;
    return readEntry(id, one).slice(told);
  });
  return { events, full: entries.length === BATCH };
}

/** An event's id is its entry's and, behind a dot, its place in the entry; without the place: the whole entry. */
function splitEventId(id: string): { readonly entry: string; readonly index: number | undefined } {
  const [entry = "", index] = id.split(".");
  return { entry, index: index === undefined ? undefined : Number(index) };
}

function compareEntries(a: string, b: string): number {
  const [aMs = 0, aSeq = 0] = a.split("-").map(Number);
  const [bMs = 0, bSeq = 0] = b.split("-").map(Number);
  return aMs === bMs ? aSeq - bSeq : aMs - bMs;
}

const entrySchema = z.array(runEventSchema);

function readEntry(id: RunId, [entryId, fields]: StreamEntry): readonly StampedEvent[] {
  const parsed = entrySchema.safeParse(JSON.parse(fields[1] ?? "null"));
  if (parsed.success) return parsed.data.map((event, index) => ({ id: `${entryId}.${index}`, event }));
  throw new BatonError("store_corrupt", `an event of ${id} cannot be read`, { cause: parsed.error });
}
