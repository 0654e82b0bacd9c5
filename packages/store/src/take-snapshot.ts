/** A snapshot of a run: its state, its conversation and the text that is coming in, as they are at one moment. */
import {
  BatonError,
  type Run,
  type RunEvent,
  type RunId,
  runEventSchema,
  type StampedEvent,
} from "@baton/core";
import { z } from "zod";
import { readItems } from "./claim-run.ts";
import type { Codec } from "./codec.ts";
import { runKeys } from "./keys.ts";
import { readLog } from "./log-pack.ts";
import { assembleRun } from "./read-run.ts";
import type { RedisClient } from "./redis-client.ts";
import type { RunScript } from "./scripts.ts";

/** A stream entry as Redis replies it: its id, and field and value in turn. */
export type StreamEntry = [id: string, fields: string[]];

/** The whole state at one moment, with the id of the last event that it covers. Throws `not_found`. */
export async function takeSnapshot(
  redis: RedisClient,
  run: RunScript,
  codec: Codec,
  id: RunId,
): Promise<StampedEvent> {
  const [fields, phases, spec, log, entries] = await run("read", [runKeys(id).run], ["all"]);
  const found = assembleRun(codec, id, fields, phases, spec);
  if (found === undefined) {
    throw new BatonError("not_found", `there is no run ${id}: it never was, or its retention has passed`);
  }
  // A packed log changes no more, so it may be read behind the rest; LRANGE and XRANGE reply arrays by the protocol.
  const items = log === "packed" ? await readLog(redis, codec, id) : (log as string[]);
  const events = (entries as StreamEntry[]).flatMap((entry) => readEntry(codec, id, entry));
  return {
    id: events.at(-1)?.id ?? "0-0",
    event: {
      type: "snapshot",
      epoch: found.run.epoch,
      phase: found.run.phases.at(-1)?.seq ?? 0,
      run: found.run,
      items: readItems(codec, id, items),
      ...openText(found.run, events),
    },
  };
}

/** Behind these events, the text before them is written, or void. */
const VOIDING: ReadonlySet<string> = new Set(["turn", "phase", "status", "withdrawn"]);

/**
 * The text of the reply that is coming in: the deltas of this epoch since the last written turn. A claim begins with an
 * event, so where none stands before the text, the stream was trimmed past the text's beginning.
 */
function openText(
  run: Run,
  events: readonly StampedEvent[],
): Pick<Extract<RunEvent, { type: "snapshot" }>, "partialText" | "partialCut"> {
  let text = "";
  let isCut = true;
  for (const { event } of events) {
    if (VOIDING.has(event.type)) {
      text = "";
      isCut = false;
    }
    if (event.type === "text" && event.epoch === run.epoch) text += event.text;
  }
  return { partialText: text, ...(isCut && text !== "" ? { partialCut: true } : {}) };
}

const entrySchema = z.array(runEventSchema);

/** The events of an entry; the id of each is the entry's and, behind a dot, its place in it. */
export function readEntry(codec: Codec, id: RunId, [entryId, fields]: StreamEntry): readonly StampedEvent[] {
  const parsed = entrySchema.safeParse(JSON.parse(codec.open(id, "events", fields[1] ?? "null")));
  if (parsed.success) {
    return parsed.data.map((event, index) => ({
      id: `${entryId}.${index}`,
      event: withSentences(codec, id, event),
    }));
  }
  throw new BatonError("store_corrupt", `an event of ${id} cannot be read`, { cause: parsed.error });
}

/** The scripts write status events themselves, so what such an event says in sentences is sealed within it. */
function withSentences(codec: Codec, id: RunId, event: RunEvent): RunEvent {
  if (event.type !== "status") return event;
  const { error, detail } = event;
  if (error === undefined && detail === undefined) return event;
  return {
    ...event,
    ...(error && { error: { ...error, message: codec.openSentence(id, error.message) } }),
    ...(detail && { detail: codec.openSentence(id, detail) }),
  };
}
