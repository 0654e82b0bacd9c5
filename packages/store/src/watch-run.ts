/**
 * Watching a run: its events from an id on, without gap or duplicate. Where the id cannot be found in the
 * stream (trimmed, expired, or Redis lost its last writes), the first event is a `snapshot` and watching goes on
 * from there. It ends when the run is terminal and all was told.
 */
import {
  BatonError,
  isTerminal,
  type Run,
  type RunEvent,
  type RunId,
  runEventSchema,
  type StampedEvent,
} from "@baton/core";
import type { Redis } from "ioredis";
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
    const entries = await redis.xrange(runKeys(id).events, `(${last}`, "+", "COUNT", BATCH);
    for (const [entryId, fields] of entries) {
      const event = readEvent(id, fields);
      yield { id: entryId, event };
      last = entryId;
      if (event.type === "status" && isTerminal(event.status)) {
        // A retry may have put more behind it; otherwise the story is told.
        if (await isOver(redis, id, last)) return;
      }
    }
    if (entries.length === BATCH) continue;
    await subscription.wait(signal);
    if (entries.length === 0 && (await lostTrack(redis, id, last))) {
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
  const events = (entries as [string, string[]][]).map(([entryId, pairs]) => ({
    id: entryId,
    event: readEvent(id, pairs),
  }));
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
    const event = readEvent(id, first[1]);
    return event.type === "phase" && event.attempt === 1 && event.phase === 0;
  }
  const found = await redis.xrange(runKeys(id).events, after, after);
  return found.length === 1;
}

async function isOver(redis: Redis, id: RunId, last: string): Promise<boolean> {
  const more = await redis.xrange(runKeys(id).events, `(${last}`, "+", "COUNT", 1);
  if (more.length > 0) return false;
  const glance = await glanceAt(redis, id);
  return glance === undefined || isTerminal(glance.status);
}

/** Whether the stream ended or went back while we waited: then only a snapshot tells the truth. */
async function lostTrack(redis: Redis, id: RunId, last: string): Promise<boolean> {
  const [newest] = await redis.xrevrange(runKeys(id).events, "+", "-", "COUNT", 1);
  if (newest === undefined) return last !== "0-0";
  return newest[0] !== last && compareIds(newest[0], last) < 0;
}

function compareIds(a: string, b: string): number {
  const [aMs = 0, aSeq = 0] = a.split("-").map(Number);
  const [bMs = 0, bSeq = 0] = b.split("-").map(Number);
  return aMs === bMs ? aSeq - bSeq : aMs - bMs;
}

function readEvent(id: RunId, fields: readonly string[]): RunEvent {
  const parsed = runEventSchema.safeParse(JSON.parse(fields[1] ?? "null"));
  if (parsed.success) return parsed.data;
  throw new BatonError("store_corrupt", `an event of ${id} cannot be read`, { cause: parsed.error });
}
